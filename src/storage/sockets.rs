//! Network connections, for all clients of this package.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Connects to a host. TCP keepalives detect a dead peer while nothing is sent.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    const IDLE: Duration = Duration::from_secs(30);
    const EVERY: Duration = Duration::from_secs(10);
    let socket = TcpStream::connect((host, port)).await?;
    // Each request is one write, which must not be delayed.
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(EVERY);
    // Not all systems support keepalives.
    let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
    Ok(socket)
}
