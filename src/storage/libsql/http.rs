//! HTTP/1.1 with keep-alive: each connection carries one request at a time.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tracing::{debug, warn};

use super::error::{Token, of_status};
use super::hrana::PIPELINE;
use super::options::Options;
use super::tls;
use crate::error::{Error, Result, Wait};
use crate::storage::failure::{Answer, Failure, all_in_use, not_usable, unavailable};
use crate::storage::location::LibsqlUrl;
use crate::storage::sockets;

/// The connections of this process to one database.
pub(super) struct Http {
    url: Arc<LibsqlUrl>,
    /// The location after redirects.
    moved: Mutex<Option<Arc<LibsqlUrl>>>,
    free: Mutex<Vec<Free>>,
    permits: Semaphore,
    tls: OnceLock<TlsConnector>,
    options: Options,
}

/// An idle connection.
struct Free {
    sender: Sender,
    to: Arc<LibsqlUrl>,
    since: Instant,
    /// After this time the server may have closed it.
    until: Instant,
}

/// The message for a reply that is too long.
pub(super) const LONG_ANSWER: &str = "the server's answer is longer than 64 MiB";

/// The message for a reply that does not arrive in time.
pub(super) const LATE: &str = "the server did not answer in time; see statementTimeoutMs";

type Sender = SendRequest<Full<Bytes>>;

impl Http {
    /// Maximum number of redirects in a row.
    const MOST_MOVES: u32 = 5;
    /// How long an idle connection is used. Servers and proxies close idle connections, mostly after a
    /// minute, and one that is closed while a request is on its way loses the reply.
    const LONGEST_IDLE: Duration = Duration::from_secs(20);
    /// The maximum length of a reply in bytes: a page of rows with long texts has some megabytes.
    const LONGEST_ANSWER: usize = 64 << 20;

    pub(super) fn new(url: &LibsqlUrl, options: Options) -> Self {
        Self {
            url: Arc::new(url.clone()),
            moved: Mutex::default(),
            free: Mutex::default(),
            permits: Semaphore::new(options.max_connections),
            tls: OnceLock::new(),
            options,
        }
    }

    /// Sends a request and waits for its reply, until `answer_by`. After [`Failure::Lost`] it is unknown whether
    /// the server executed it; after other failures, it did not.
    pub(super) async fn send(
        &self,
        body: Bytes,
        doing: &'static str,
        answer_by: Instant,
    ) -> Answer<Bytes> {
        let began = Instant::now();
        if began >= answer_by {
            let message =
                "for the earlier requests of this call; see statementTimeoutMs".to_owned();
            return Err(Error::DatabaseBusy { wait: Wait::Server, message }.into());
        }
        let permit = self.permit(answer_by).await?;
        let answer = self.follow_to_answer(body, doing, (began, answer_by)).await;
        drop(permit);
        if answer.is_err() {
            // The database may be at its original location again.
            *lock(&self.moved) = None;
        }
        answer
    }

    /// Sends a request, again after redirects and after pauses that the server demands.
    async fn follow_to_answer(
        &self,
        body: Bytes,
        doing: &'static str,
        (began, answer_by): (Instant, Instant),
    ) -> Answer<Bytes> {
        let mut moves = 0;
        loop {
            let to = self.target();
            let answer = self.exchange(&to, body.clone(), answer_by).await?;
            let status = answer.status();
            if status.is_redirection() && moves < Self::MOST_MOVES && self.follow(&to, &answer) {
                moves += 1;
                continue;
            }
            if status == StatusCode::TOO_MANY_REQUESTS
                && let Some(pause) = self.pause(&answer, began)
                && Instant::now() + pause < answer_by
            {
                debug!(pause_ms = pause.as_millis(), "the server asks for fewer requests");
                tokio::time::sleep(pause).await;
                continue;
            }
            let body = answer.into_body();
            if status == StatusCode::OK {
                return Ok(body);
            }
            let token = match &to.token {
                Some(token) => Token::Sent(token),
                None if to == self.url => Token::Missing,
                None => Token::KeptFromOtherHost,
            };
            return Err(of_status(status, &body, token, doing));
        }
    }

    async fn permit(&self, answer_by: Instant) -> Answer<SemaphorePermit<'_>> {
        let by = soonest(self.options.connect_timeout, answer_by);
        match timeout_at(by.into(), self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::Closed.into()),
            Err(_) => Err(all_in_use().into()),
        }
    }

    /// Sends one request and reads its reply.
    async fn exchange(
        &self,
        to: &Arc<LibsqlUrl>,
        body: Bytes,
        answer_by: Instant,
    ) -> Answer<Response<Bytes>> {
        let mut request = Some(request(to, body)?);
        let (mut sender, answer_by, answer) = loop {
            let (mut sender, is_new) = self.connection(to, answer_by).await?;
            let Some(unsent) = request.take() else {
                return Err(Failure::Lost("a request that is gone".to_owned()));
            };
            let answer_by = soonest(self.options.answer_timeout(), answer_by);
            match in_time(answer_by, sender.try_send_request(unsent)).await? {
                Ok(answer) => break (sender, answer_by, answer),
                Err(mut failed) => match failed.take_message() {
                    // The server had closed the connection and has not received this request.
                    Some(unsent) if !is_new => request = Some(unsent),
                    _ => return Err(Failure::Lost(reason(failed.error()))),
                },
            }
        };
        let (head, body) = answer.into_parts();
        let body = in_time(answer_by, Self::read(body)).await??;
        // It takes the next request when this reply has been read completely.
        let idle = kept_for(head.headers.get("keep-alive")).min(Self::LONGEST_IDLE);
        if matches!(timeout(Duration::from_millis(50), sender.ready()).await, Ok(Ok(()))) {
            let since = Instant::now();
            let free = Free { sender, to: Arc::clone(to), since, until: since + idle };
            lock(&self.free).push(free);
        }
        Ok(Response::from_parts(head, body))
    }

    async fn read(body: Incoming) -> Answer<Bytes> {
        match Limited::new(body, Self::LONGEST_ANSWER).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Failure::Lost(LONG_ANSWER.to_owned()))
            }
            Err(error) => Err(Failure::Lost(error.to_string())),
        }
    }

    /// A connection, and whether it is new.
    async fn connection(&self, to: &Arc<LibsqlUrl>, answer_by: Instant) -> Answer<(Sender, bool)> {
        loop {
            match lock(&self.free).pop() {
                Some(free)
                    if free.to != *to
                        || free.sender.is_closed()
                        || Instant::now() >= free.until => {}
                Some(free) => return Ok((free.sender, false)),
                None => break,
            }
        }
        let by = soonest(self.options.connect_timeout, answer_by);
        let connected = timeout_at(by.into(), self.connect(to)).await;
        let late = || Err(unavailable("connecting took longer than connectTimeoutMs").into());
        Ok((connected.unwrap_or_else(|_| late())?, true))
    }

    async fn connect(&self, to: &LibsqlUrl) -> Answer<Sender> {
        let refused = |error: std::io::Error| Failure::from(unavailable(&error.to_string()));
        let socket = sockets::connect(&to.host, to.port).await.map_err(refused)?;
        if !to.tls {
            return Self::speak(socket).await;
        }
        let connector = match self.tls.get() {
            Some(connector) => connector,
            None => {
                let made = tls::connector()?;
                self.tls.get_or_init(|| made)
            }
        };
        let encrypted = connector.connect(tls::name(&to.host)?, socket).await;
        Self::speak(encrypted.map_err(|error| tls::refused(&error))?).await
    }

    async fn speak<S>(socket: S) -> Answer<Sender>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let spoken = handshake(TokioIo::new(socket)).await;
        let (sender, connection) =
            spoken.map_err(|error| Failure::from(unavailable(&reason(&error))))?;
        // It ends when the sender is dropped, or with the socket.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn target(&self) -> Arc<LibsqlUrl> {
        lock(&self.moved).clone().unwrap_or_else(|| Arc::clone(&self.url))
    }

    /// Follows a redirect to another libSQL server, for all later requests too. Returns whether it did.
    fn follow(&self, from: &LibsqlUrl, answer: &Response<Bytes>) -> bool {
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let Some(to) = location.and_then(|location| from.moved_to(location, PIPELINE)) else {
            return false;
        };
        warn!("the database has moved: DATABASE_URL still names its previous server");
        *lock(&self.moved) = Some(Arc::new(to));
        true
    }

    /// How long to wait before the next attempt; `None` after the timeout.
    fn pause(&self, answer: &Response<Bytes>, began: Instant) -> Option<Duration> {
        const USUAL: Duration = Duration::from_secs(1);
        let said = answer.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
        let seconds = said.and_then(|said| said.parse().ok());
        let pause = seconds.map_or(USUAL, Duration::from_secs);
        let waited = began.elapsed().saturating_add(pause);
        (waited < self.options.connect_timeout).then_some(pause)
    }

    pub(super) fn close_idle(&self, idle: Duration) {
        lock(&self.free).retain(|free| free.since.elapsed() < idle);
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.close_idle(Duration::ZERO);
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.target().tls
    }

    /// The numbers of used and of idle connections.
    pub(super) fn count(&self) -> (usize, usize) {
        let most = self.options.max_connections;
        (most.saturating_sub(self.permits.available_permits()), lock(&self.free).len())
    }
}

/// The end of a wait with its own timeout, for a request with a deadline.
fn soonest(timeout: Duration, answer_by: Instant) -> Instant {
    answer_by.min(Instant::now() + timeout)
}

async fn in_time<T>(answer_by: Instant, answer: impl Future<Output = T>) -> Answer<T> {
    let late = |_| Failure::Lost(LATE.to_owned());
    timeout_at(answer_by.into(), answer).await.map_err(late)
}

/// How long a server keeps an idle connection, if its header says so (`timeout=5, max=100`), less a second
/// for what is on its way.
fn kept_for(header: Option<&HeaderValue>) -> Duration {
    let said = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
    let seconds = said.split(',').find_map(|part| part.trim().strip_prefix("timeout="));
    let seconds = seconds.and_then(|seconds| seconds.parse::<u64>().ok());
    seconds.map_or(Duration::MAX, |seconds| Duration::from_secs(seconds.saturating_sub(1)))
}

fn request(to: &LibsqlUrl, body: Bytes) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}{PIPELINE}", to.path))
        .header(HOST, to.authority())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|_| not_usable("its path is not valid".to_owned(), "; check DATABASE_URL"))?;
    if let Some(token) = &to.token {
        let header = HeaderValue::from_str(&format!("Bearer {}", token.secret()));
        // A token has only visible characters.
        let mut header =
            header.map_err(|_| Error::Internal("the token is not a valid header".to_owned()))?;
        header.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, header);
    }
    Ok(request)
}

/// The error and its cause.
fn reason(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The lock may be poisoned: a panic elsewhere can't leave the value half changed.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_server_keeps_a_connection() {
        let rows = [
            (None, Duration::MAX),
            (Some("timeout=5"), Duration::from_secs(4)),
            (Some("max=100, timeout=75"), Duration::from_secs(74)),
            (Some("timeout=0"), Duration::ZERO),
            (Some("timeout=soon"), Duration::MAX),
            (Some("max=5"), Duration::MAX),
        ];
        for (header, expected) in rows {
            let value = header.map(HeaderValue::from_static);
            assert_eq!(kept_for(value.as_ref()), expected, "{header:?}");
        }
    }
}
