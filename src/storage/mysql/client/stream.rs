//! The byte stream of a connection.

use tokio::io::{AsyncRead, AsyncWrite};

/// A socket, or TLS over one.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}
