//! Applies the control messages of masters.

use std::collections::HashMap;

use broker::{BrokerError, Delivery};
use proto::v1::Control;
use proto::{JobId, Payload};

use super::driver::SessionDriver;
use crate::scheduler::JobDirectives;

impl SessionDriver<'_> {
    /// Applies a control message of the master. Other messages have no effect.
    pub(crate) fn handle_control(&mut self, delivery: &Delivery) -> Result<(), BrokerError> {
        let Ok(envelope) = &delivery.message else {
            return Ok(());
        };
        let Payload::Control(control) = envelope.payload.as_ref() else {
            return Ok(());
        };
        let ids = |ids: &[String]| ids.iter().filter_map(|id| id.parse().ok()).collect();
        for (_, held) in self.scheduler.iter() {
            if control.cancelled.contains(&held.envelope.correlation_id) {
                held.stop.cancel();
            }
        }
        let mut actions = self.advance_clock();
        actions.extend(self.scheduler.apply_directives(JobDirectives {
            cancelled: ids(&control.cancelled),
            paused: ids(&control.paused),
            shares: shares(control),
        }));
        self.execute(actions)
    }
}

/// The valid shares of rates.
fn shares(control: &Control) -> HashMap<JobId, f64> {
    let shares = control.shares.iter();
    let shares = shares.filter(|share| share.per_second.is_finite() && share.per_second > 0.0);
    let shares = shares.filter_map(|share| Some((share.job_id.parse().ok()?, share.per_second)));
    shares.collect()
}
