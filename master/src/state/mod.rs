//! The state of a running master: the state actor, which owns it, and the live state that is not stored.

pub(crate) mod dashboard_view;
pub(crate) mod event_log;
pub(crate) mod expiry;
pub(crate) mod live_state;
pub(crate) mod loss_detector;
pub(crate) mod report_cache;
pub(crate) mod row_buffer;
pub(crate) mod state_actor;
pub(crate) mod state_handle;
pub(crate) mod throughput;
pub(crate) mod worker_registry;
