//! What a process has used so far, as `/proc` tells: processor time and resident memory (proc(5)).

use anyhow::Context;
use sipp::world::Server;

/// Ticks of `/proc/PID/stat` in a second: fixed at 100 by the kernel's interface on every Linux that we run on.
const TICKS: f64 = 100.0;

/// Seconds of processor time, user and system.
pub fn cpu_seconds(server: &Server) -> anyhow::Result<f64> {
    let stat = read(server, "stat")?;
    // The name of the program, in parentheses, may hold anything: count from behind it.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}

/// Resident memory in KiB.
pub fn resident_kib(server: &Server) -> anyhow::Result<f64> {
    let status = read(server, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn read(server: &Server, file: &str) -> anyhow::Result<String> {
    let pid = server.pid().context("the server has ended")?;
    Ok(std::fs::read_to_string(format!("/proc/{pid}/{file}"))?)
}
