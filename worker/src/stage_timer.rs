//! Stages of a chunk's way through a worker, for those who watch it: how long each took, and what came of it.

use broker::Confirm;
use proto::Envelope;
use telemetry::{Fact, Span, Stage, Tracer};
use tokio::time::Instant;

use crate::attempt::Outcome;
use crate::session::WorkerContext;

/// A stage that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StageTimer {
    began: Instant,
    /// Where somebody is told of it.
    span: Option<Span>,
}

impl StageTimer {
    /// Begins a stage of the chunk in `envelope`.
    pub(crate) fn start(tracer: &Tracer, stage: Stage, envelope: &Envelope) -> Self {
        Self {
            began: Instant::now(),
            span: tracer.begin(stage, envelope),
        }
    }

    /// It was an attempt, and came to `outcome`.
    pub(crate) fn attempt_ended(self, context: &WorkerContext, operation: &str, outcome: &Outcome) {
        let metrics = &context.counters.metrics;
        metrics.processed(operation, self.began.elapsed());
        let Some(span) = self.span else {
            return;
        };
        let worker: Fact = ("rowmill.worker", context.identity.id.to_string().into());
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

    /// It was an answer, and the broker said `confirm`.
    pub(crate) fn confirmed(self, context: &WorkerContext, confirm: Confirm) {
        let took = self.began.elapsed().as_secs_f64();
        context.counters.metrics.disposition.observe(took);
        if let Some(span) = self.span {
            let error = (confirm != Confirm::Acked).then(|| format!("{confirm:?}"));
            context.tracer.end(span, error, []);
        }
    }
}
