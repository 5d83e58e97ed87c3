//! Filters for streams of text, fed in pieces cut anywhere.

use std::fmt::Debug;
use std::io::{self, IsTerminal, Write};

use crate::text::{Charset, VisibleFilter};

/// Transforms a stream of bytes.
pub trait Filter: Debug {
    /// Appends the output for `bytes` to `out`. A part may be buffered until the next call.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// Appends the buffered rest at the end of the stream.
    fn finish(&mut self, out: &mut Vec<u8>);
}

impl Filter for VisibleFilter {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        Self::feed(self, bytes, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        Self::finish(self, out);
    }
}

/// A chain of filters; if it is empty, bytes pass unchanged.
#[derive(Debug, Default)]
pub struct Filters(Vec<Box<dyn Filter + Send>>);

impl Filters {
    /// The filter for CSV on standard output: on a terminal, control characters are made visible; otherwise
    /// there is none.
    pub fn of_stdout() -> Self {
        let filters = Self::default();
        if io::stdout().is_terminal() {
            return filters.then(VisibleFilter::new(Charset::from_env()));
        }
        filters
    }

    /// Adds `filter` at the end.
    #[must_use]
    pub fn then(mut self, filter: impl Filter + Send + 'static) -> Self {
        self.0.push(Box::new(filter));
        self
    }

    /// Adds all of `others` at the end.
    #[must_use]
    pub fn then_all(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether there are no filters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The output for `bytes`.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for filter in &mut self.0 {
            let mut made = Vec::with_capacity(bytes.len());
            filter.feed(&bytes, &mut made);
            bytes = made;
        }
        bytes
    }

    /// The buffered rest at the end of the stream.
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

/// A writer with filters.
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

    /// Writes the buffered rest and returns the inner writer.
    ///
    /// # Errors
    ///
    /// The errors of the inner writer.
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
