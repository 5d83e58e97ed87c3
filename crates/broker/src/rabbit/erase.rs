//! Deletes all queues and exchanges of a namespace, with every message in them.

use lapin::Channel;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::types::ShortString;

use super::declare::Names;
use super::lane_queues;
use super::link::Link;
use crate::error::BrokerError;
use crate::topology::Queue;

const ERASE: &str = "delete its queues";

pub(super) async fn erase(names: &Names, link: &Link) -> Result<(), BrokerError> {
    let lanes = lane_queues::all_lanes(link, names).await?;
    let of_lane = |lane| [Queue::Lane(lane), Queue::Retry(Some(lane))];
    let queues = Queue::ALL
        .into_iter()
        .chain(lanes.into_iter().flat_map(of_lane));
    let to_delete = queues.map(|queue| names.queue(queue));
    for name in to_delete.chain([lane_queues::register(names)]) {
        link.on_new_channel(ERASE, async |channel| delete(channel, name).await)
            .await?
            .map_err(|error| link.error_context.failed(ERASE, error))?;
    }
    Ok(())
}

async fn delete(channel: &Channel, name: ShortString) -> Result<(), lapin::Error> {
    channel
        .queue_delete(name.clone(), QueueDeleteOptions::default())
        .await?;
    channel
        .exchange_delete(name, ExchangeDeleteOptions::default())
        .await
}
