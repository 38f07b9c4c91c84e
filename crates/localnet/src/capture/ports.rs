//! UDP ports of this process, by `/proc` (proc_pid_fd(5), proc_pid_net(5)): the harness's own
//! clients are among the clients of a capture, and their links begin there.

use std::collections::HashSet;
use std::fs;

/// UDP ports to which sockets of this process are bound, in rising order; none where the system has
/// no `/proc`.
pub(crate) fn own_udp_ports() -> Vec<u16> {
    let own = own_sockets();
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
    let tables: String =
        tables.into_iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let mut ports: Vec<_> = tables.lines().filter_map(|line| port_of(line, &own)).collect();
    ports.sort_unstable();
    ports
}

/// Inodes of the sockets of this process.
fn own_sockets() -> HashSet<String> {
    let descriptors = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let target = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    let inode = |target: std::path::PathBuf| {
        let name = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(name.to_owned())
    };
    target.filter_map(inode).collect()
}

/// Local port of a line of the system's table of sockets, if the socket is one of `own`.
fn port_of(line: &str, own: &HashSet<String>) -> Option<u16> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, inode) = (fields.get(LOCAL)?, fields.get(INODE)?);
    let (_, port) = local.rsplit_once(':')?;
    own.contains(*inode).then(|| u16::from_str_radix(port, 16).ok())?
}

/// Columns of the table.
const LOCAL: usize = 1;
const INODE: usize = 9;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_among_its_ports() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(own_udp_ports().contains(&port));
        drop(socket);
        assert!(!own_udp_ports().contains(&port));
    }
}
