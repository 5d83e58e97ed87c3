//! Times the stages of a chunk's processing, for metrics and traces.

use broker::Confirm;
use proto::Envelope;
use telemetry::{Attribute, Span, Stage, Tracer};
use tokio::time::Instant;

use super::context::WorkerContext;
use crate::attempt::Outcome;

/// A stage in progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StageTimer {
    began: Instant,
    /// `None` if traces are off.
    span: Option<Span>,
}

impl StageTimer {
    /// Starts a stage of the chunk in `envelope`.
    pub(crate) fn start(tracer: &Tracer, stage: Stage, envelope: &Envelope) -> Self {
        Self {
            began: Instant::now(),
            span: tracer.begin(stage, envelope),
        }
    }

    /// Ends the stage of an attempt, which returned `outcome`.
    pub(crate) fn attempt_ended(self, context: &WorkerContext, operation: &str, outcome: &Outcome) {
        let metrics = &context.counters.metrics;
        metrics.processed(operation, self.began.elapsed());
        let Some(span) = self.span else {
            return;
        };
        let worker: Attribute = ("rowmill.worker", context.identity.id.to_string().into());
        let counted = outcome.as_ref().map(|result| {
            [
                ("rowmill.rows", (result.rows as i64).into()),
                ("rowmill.bytes", (result.bytes as i64).into()),
                ("rowmill.attempt", i64::from(result.attempt).into()),
            ]
        });
        let counted = counted.into_iter().flatten();
        let error = outcome.as_ref().err().map(ToString::to_string);
        context.tracer.end(span, error, counted.chain([worker]));
    }

    /// Ends the stage of a publish, which the broker answered with `confirm`.
    pub(crate) fn confirmed(self, context: &WorkerContext, confirm: Confirm) {
        let took = self.began.elapsed().as_secs_f64();
        context.counters.metrics.disposition.observe(took);
        if let Some(span) = self.span {
            let error = (confirm != Confirm::Acked).then(|| format!("{confirm:?}"));
            context.tracer.end(span, error, []);
        }
    }
}
