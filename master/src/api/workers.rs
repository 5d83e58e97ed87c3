//! Requests about workers: list.

use proto::v1;
use tonic::Status;

use crate::response_size::{PAGE_BYTES, count_fitting};
use crate::state::state_actor::StateActor;

impl StateActor {
    /// The page of workers that starts at `token`.
    pub(crate) fn workers(&self, token: &str) -> Result<v1::ListWorkersResponse, Status> {
        let from: usize = match token {
            "" => 0,
            token => token
                .parse()
                .map_err(|_| Status::invalid_argument("that page token is invalid"))?,
        };
        let all = self.live.workers(proto::unix_ms());
        let rest = all.iter().skip(from);
        let mut workers: Vec<v1::Worker> = rest.map(|worker| (**worker).clone()).collect();
        let fitting = count_fitting(&workers, PAGE_BYTES);
        let is_last = fitting == workers.len();
        workers.truncate(fitting);
        Ok(v1::ListWorkersResponse {
            workers,
            next_page_token: if is_last {
                String::new()
            } else {
                (from + fitting).to_string()
            },
            workers_total: all.len() as u64,
        })
    }
}
