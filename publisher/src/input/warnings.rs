//! What there is to say of an input when it is read, in sentences about "it". They are made where they are found out,
//! maybe on another thread, and said once, where the reading is not only a look.

use std::sync::{Arc, Mutex, PoisonError};

/// The warnings on one input.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    pub(crate) fn add(&self, warning: String) {
        // Whatever panicked left it whole.
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(warning);
    }

    /// All that were not taken before.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
