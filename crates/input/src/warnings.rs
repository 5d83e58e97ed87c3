//! Warnings about an input, as sentences about "it". They are added where the cause is found, possibly on another
//! thread, and logged once, unless the input is only previewed.

use std::sync::{Arc, Mutex, PoisonError};

/// The warnings about one input.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    pub(crate) fn add(&self, warning: String) {
        // A poisoned lock is safe: the list is always complete.
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(warning);
    }

    /// The warnings that were not taken before.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
