//! Network connections, for all clients of this package.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A connection to a host. If its other end is gone without a word, that is noticed while nothing is sent.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    const IDLE: Duration = Duration::from_secs(30);
    const EVERY: Duration = Duration::from_secs(10);
    let socket = TcpStream::connect((host, port)).await?;
    // A request is one write, which is not to wait for another one.
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(EVERY);
    // A system that has none goes without.
    let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
    Ok(socket)
}
