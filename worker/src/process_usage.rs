//! Processor time and memory of this process, from Linux's `/proc` (proc(5)).

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Measures the process repeatedly.
#[derive(Debug, Default)]
pub(crate) struct ProcessUsage {
    /// Time of the last measurement, and the processor time up to then.
    last: Mutex<Option<(Instant, Duration)>>,
}

impl ProcessUsage {
    /// Average number of busy cores since the last measurement, of this process and the children that it has waited
    /// for. `None` at the first measurement, and if the system does not report it.
    pub(crate) fn cpu(&self) -> Option<f64> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let used = used(&stat, rustix::param::clock_ticks_per_second())?;
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, before) = last.replace((now, used))?;
        let elapsed = now.duration_since(then).as_secs_f64();
        (elapsed > 0.0).then(|| used.saturating_sub(before).as_secs_f64() / elapsed)
    }
}

/// Resident memory of the process, bytes.
pub(crate) fn memory_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// User and system time of the process and the children that it has waited for.
fn used(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    // The program's name may contain spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    // utime is the 14th field; the state, behind the name, is the 3rd.
    let times = fields.split_whitespace().skip(14 - 3).take(4);
    let ticks: Vec<u64> = times.map(str::parse).collect::<Result<_, _>>().ok()?;
    let ticks: u64 = (ticks.len() == 4).then(|| ticks.iter().sum())?;
    Some(Duration::from_secs_f64(
        ticks as f64 / ticks_per_second as f64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_stat_is_parsed_whatever_the_program_is_called() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 50 25 20 5 20 0 8 0 100 0 0";
        assert_eq!(used(stat, 100), Some(Duration::from_secs(1)));
        assert_eq!(used("7 (a) S 1", 100), None);
        assert_eq!(used("", 100), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn processor_time_is_measured() {
        let process_usage = ProcessUsage::default();
        assert_eq!(process_usage.cpu(), None);
        let began = Instant::now();
        let mut busy = None;
        // At 100 ticks per second, 0.1 s of work is always measured.
        while busy.is_none_or(|busy| busy < 0.01) && began.elapsed() < Duration::from_secs(30) {
            let until = Instant::now() + Duration::from_millis(100);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            busy = process_usage.cpu();
        }
        assert!(busy.is_some_and(|busy| busy >= 0.01), "{busy:?}");
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
