//! A cache of the rule sets of the last jobs.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proto::v1::ValidateSpec;

use super::RuleSet;
use crate::validate::schema::{Schema, SchemaError};

/// The number of cached rule sets.
const CACHED: usize = 8;

/// Sorted by age, newest last. The cache only saves time.
static CACHE: Mutex<Vec<CachedRules>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct CachedRules {
    schema: Bytes,
    columns: Vec<String>,
    is_named: bool,
    rules: Arc<RuleSet>,
}

/// The rules for the columns of a job.
pub(crate) fn rules(
    spec: &ValidateSpec,
    columns: &[String],
    is_named: bool,
) -> Result<Arc<RuleSet>, SchemaError> {
    let is_same = |cached: &CachedRules| {
        cached.schema == spec.schema && cached.columns == columns && cached.is_named == is_named
    };
    let lock = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(cached) = lock().iter().find(|cached| is_same(cached)) {
        return Ok(Arc::clone(&cached.rules));
    }
    let rules = Arc::new(RuleSet::new(
        &Schema::read(&spec.schema)?,
        columns,
        is_named,
    )?);
    let mut cache = lock();
    if cache.len() >= CACHED {
        cache.remove(0);
    }
    cache.push(CachedRules {
        schema: spec.schema.clone(),
        columns: columns.to_vec(),
        is_named,
        rules: Arc::clone(&rules),
    });
    Ok(rules)
}
