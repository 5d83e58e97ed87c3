//! Stages of a chunk's way through a worker, for those who watch it: how long each took, and what came of it.

use broker::Confirm;
use proto::Envelope;
use telemetry::{Fact, Span, Stage, Tracer};
use tokio::time::Instant;

use crate::attempt::Outcome;
use crate::session::Bench;

/// A stage that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    began: Instant,
    /// Where somebody is told of it.
    span: Option<Span>,
}

impl Timed {
    /// Begins a stage of the chunk in `envelope`.
    pub(crate) fn begin(tracer: &Tracer, stage: Stage, envelope: &Envelope) -> Self {
        Self {
            began: Instant::now(),
            span: tracer.begin(stage, envelope),
        }
    }

    /// It was an attempt, and came to `outcome`.
    pub(crate) fn attempted(self, bench: &Bench, operation: &str, outcome: &Outcome) {
        let metrics = &bench.tally.metrics;
        metrics.processed(operation, self.began.elapsed());
        let Some(span) = self.span else {
            return;
        };
        let worker: Fact = ("rowmill.worker", bench.identity.id.to_string().into());
        let counted = outcome.as_ref().map(|result| {
            [
                ("rowmill.rows", (result.rows as i64).into()),
                ("rowmill.bytes", (result.bytes as i64).into()),
                ("rowmill.attempt", i64::from(result.attempt).into()),
            ]
        });
        let counted = counted.into_iter().flatten();
        let error = outcome.as_ref().err().map(ToString::to_string);
        bench.tracer.end(span, error, counted.chain([worker]));
    }

    /// It was an answer, and the broker said `confirm`.
    pub(crate) fn answered(self, bench: &Bench, confirm: Confirm) {
        let took = self.began.elapsed().as_secs_f64();
        bench.tally.metrics.answer.observe(took);
        if let Some(span) = self.span {
            let error = (confirm != Confirm::Acked).then(|| format!("{confirm:?}"));
            bench.tracer.end(span, error, []);
        }
    }
}
