//! The plans of the jobs that were looked at last.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proto::v1::ValidateSpec;

use super::Plan;
use crate::validate::schema::{Schema, SchemaError};

/// Plans that are kept, newest last.
const KEPT: usize = 8;

/// All that a plan depends on, and the plan. That it is kept changes nothing but time.
static PLANS: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Kept {
    schema: Bytes,
    columns: Vec<String>,
    is_named: bool,
    plan: Arc<Plan>,
}

/// The plan for a job's columns.
pub(crate) fn plan(
    spec: &ValidateSpec,
    columns: &[String],
    is_named: bool,
) -> Result<Arc<Plan>, SchemaError> {
    let is_it = |kept: &Kept| {
        kept.schema == spec.schema && kept.columns == columns && kept.is_named == is_named
    };
    let kept = || PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = kept().iter().find(|kept| is_it(kept)) {
        return Ok(Arc::clone(&kept.plan));
    }
    let plan = Arc::new(Plan::new(&Schema::read(&spec.schema)?, columns, is_named)?);
    let mut kept = kept();
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push(Kept {
        schema: spec.schema.clone(),
        columns: columns.to_vec(),
        is_named,
        plan: Arc::clone(&plan),
    });
    Ok(plan)
}
