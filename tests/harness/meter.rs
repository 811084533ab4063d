//! What a program does in a while, and what it costs: rates over threads, processor time, memory.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Processor time so far of a process and all that descend from it, in microseconds. What has ended meanwhile is missing.
pub fn processor_us(root: u32) -> u64 {
    let tree = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        Some((pid, parent))
    });
    let parents: HashMap<u32, u32> = tree.collect();
    let below = |mut pid: u32| {
        while pid != root {
            match parents.get(&pid) {
                Some(&parent) => pid = parent,
                None => return false,
            }
        }
        true
    };
    parents.keys().filter(|&&pid| below(pid)).map(|pid| ran_ns(*pid)).sum::<u64>() / 1_000
}

fn ran_ns(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}

/// Runs `work` on this many threads for this long; operations a second of all together.
pub fn rate(threads: usize, long: Duration, work: impl Fn(usize, &dyn Fn() -> Option<u64>) + Sync) -> f64 {
    let (count, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (count, over, work) = (&count, &over, &work);
            scope.spawn(move || {
                let next = || {
                    if start.elapsed() >= long {
                        over.store(true, Ordering::Relaxed);
                    }
                    (!over.load(Ordering::Relaxed)).then(|| count.fetch_add(1, Ordering::Relaxed))
                };
                work(thread, &next);
            });
        }
    });
    count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// Octets of a process that are in memory now, by the kernel's account.
pub fn resident_bytes(pid: i32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The most that were since the process began, or since the kernel was told to forget it.
pub fn peak_bytes(pid: i32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
