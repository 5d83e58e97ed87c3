//! Text changed on its way, in pieces cut anywhere.

use std::fmt::Debug;
use std::io::{self, IsTerminal, Write};

use crate::Formulas;
use crate::text::{Charset, Harmless};

/// Changes a stream of bytes.
pub trait Filter: Debug {
    /// Appends what comes of `bytes` to `out`. Some of it may be held back.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// Appends what was held back: there is no more.
    fn finish(&mut self, out: &mut Vec<u8>);
}

impl Filter for Formulas {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        Self::feed(self, bytes, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        Self::finish(self, out);
    }
}

impl Filter for Harmless {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        Self::feed(self, bytes, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        Self::finish(self, out);
    }
}

/// Filters, one behind the other. None: bytes stay as they are.
#[derive(Debug, Default)]
pub struct Filters(Vec<Box<dyn Filter + Send>>);

impl Filters {
    /// What CSV needs on standard output: on a terminal it is made visible as tables are, elsewhere it
    /// stays as it is.
    pub fn of_stdout() -> Self {
        let filters = Self::default();
        if io::stdout().is_terminal() {
            return filters.then(Harmless::new(Charset::from_env()));
        }
        filters
    }

    /// These, and `filter` behind them.
    #[must_use]
    pub fn then(mut self, filter: impl Filter + Send + 'static) -> Self {
        self.0.push(Box::new(filter));
        self
    }

    /// These, and all of `others` behind them.
    #[must_use]
    pub fn then_all(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What comes of `bytes`.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for filter in &mut self.0 {
            let mut made = Vec::with_capacity(bytes.len());
            filter.feed(&bytes, &mut made);
            bytes = made;
        }
        bytes
    }

    /// What was held back: there is no more.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        for filter in &mut self.0 {
            let mut made = Vec::new();
            filter.feed(&rest, &mut made);
            filter.finish(&mut made);
            rest = made;
        }
        rest
    }
}

/// Writes through filters.
#[derive(Debug)]
pub struct Filtered<W: Write> {
    inner: W,
    filters: Filters,
}

impl<W: Write> Filtered<W> {
    /// Writes to `inner`.
    pub fn new(inner: W, filters: Filters) -> Self {
        Self { inner, filters }
    }

    /// Writes what was held back, and gives back what it wrote to.
    ///
    /// # Errors
    ///
    /// As the writer's.
    pub fn finish(mut self) -> io::Result<W> {
        let rest = self.filters.finish();
        self.inner.write_all(&rest)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Filtered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filters.is_empty() {
            return self.inner.write(bytes);
        }
        let made = self.filters.feed(bytes);
        self.inner.write_all(&made)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_stand_one_behind_the_other_and_hold_nothing_back_in_the_end() {
        let filters = || {
            Filters::default()
                .then(Formulas::default())
                .then(Harmless::new(Charset::Utf8))
        };
        let csv = "a,=1\u{1b}\n-2,\u{202e}\n-3".as_bytes();
        let expected = "a,'=1␛\n-2,\\u{202e}\n-3";
        for cut in 0..=csv.len() {
            let mut out = Filtered::new(Vec::new(), filters());
            out.write_all(&csv[..cut]).unwrap();
            out.write_all(&csv[cut..]).unwrap();
            let written = String::from_utf8(out.finish().unwrap()).unwrap();
            assert_eq!(written, expected, "cut at {cut}");
        }
        let mut out = Filtered::new(Vec::new(), Filters::default());
        out.write_all(csv).unwrap();
        assert_eq!(out.finish().unwrap(), csv);
    }
}
