//! The machine's own costs with their names.

use super::Finding;
use crate::measure::floor::Floor;

/// One for each cost.
pub(super) fn findings(floor: &Floor) -> Vec<Finding> {
    let shape = &floor.shape;
    let finding = |name: String, value: f64, unit: &str| Finding { name, value, unit: unit.into() };
    let mut findings = vec![
        finding(
            format!("send of {} bytes, {} sockets", shape.frame_bytes, shape.sockets),
            floor.send_cpu_us,
            "CPU-µs",
        ),
        finding("the same on the clock".into(), floor.send_wall_us, "µs"),
        finding("the same without pauses".into(), floor.send_flat_out_cpu_us, "CPU-µs"),
        finding("recv of an input".into(), floor.recv_cpu_us, "CPU-µs"),
        finding("accept and upgrade".into(), floor.accept_upgrade_cpu_us, "CPU-µs"),
    ];
    let kernel = floor.kernel_bytes_per_socket.map(|bytes| bytes / 1024.0);
    findings.extend(kernel.map(|kib| finding("kernel memory of a socket".into(), kib, "KiB")));
    findings
}
