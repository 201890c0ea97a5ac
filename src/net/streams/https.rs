//! DNS over HTTPS (RFC 8484): GET and POST on one path, over HTTP/2 and HTTP/1.1.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::framed::LAST_CALL;
use super::freshness::freshness_s;
use super::limits::Place;
use super::room::{Reserved, Room};
use super::{Shared, stopped, tls};
use crate::nameserver::Peer;
use crate::wire::answer::TCP_OCTETS_MAX;

/// ALPN. RFC 8484 5.2 recommends HTTP/2; the rest can do no harm.
pub(super) const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// The one path; a template for clients is `https://NAME/dns-query{?dns}`.
const PATH: &str = "/dns-query";
const MEDIA_TYPE: &str = "application/dns-message";
/// Octets of a query in base64url; longer ones can come by POST.
const PARAMETER_OCTETS_MAX: usize = 4 * 1_024;
/// Octets of a body that are kept without room of their own: no question is larger.
const SMALL_BODY_OCTETS: usize = 4 * 1_024;
/// Octets of a body that are read at all; those beyond the largest message only so that the sender hears why it is refused.
const BODY_OCTETS_MAX: usize = 1 << 20;
/// Octets of request line and headers.
const HEADER_OCTETS_MAX: u32 = 16 * 1_024;
/// Requests at once on a connection. What their bodies and answers hold when the peer does not take them is bounded by a [`Room`].
const STREAMS_MAX: u32 = 32;
/// Octets of bodies on the way.
const WINDOW_OCTETS: u32 = 128 * 1_024;

type Answer = Response<Full<Bytes>>;

/// Shakes hands, then serves requests until the peer goes, is idle, or the server stops.
pub(super) async fn serve(stream: TcpStream, peer: Peer, place: Place, shared: Rc<Shared>, config: Arc<ServerConfig>) {
    let Some(stream) = tls::handshake(stream, &place, &shared, config).await else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (stream, place, room) = (TokioIo::new(stream), Rc::new(place), Rc::new(Room::new()));
    let service = service_fn(|request| respond(request, peer, place.clone(), room.clone(), shared.clone()));
    if is_http2 {
        let connection = http2::Builder::new(ThisThread)
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_OCTETS_MAX)
            .initial_stream_window_size(WINDOW_OCTETS)
            .initial_connection_window_size(WINDOW_OCTETS)
            .serve_connection(stream, service);
        watch(pin!(connection), http2::Connection::graceful_shutdown, &place, &shared).await;
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(shared.idle)
            .max_buf_size(HEADER_OCTETS_MAX as usize)
            .serve_connection(stream, service);
        watch(pin!(connection), http1::Connection::graceful_shutdown, &place, &shared).await;
    }
}

/// Runs a connection to its end. What trickles in or is not taken does not count as activity.
async fn watch<C: Future>(mut connection: Pin<&mut C>, end: impl Fn(Pin<&mut C>), place: &Place, shared: &Shared) {
    let mut stop_at = None;
    loop {
        let idle_until = Instant::now() + shared.idle.saturating_sub(place.idle_for());
        tokio::select! {
            _ended = connection.as_mut() => return,
            () = place.cut() => return,
            () = sleep_until(stop_at.unwrap_or(idle_until)) => {
                if stop_at.is_some() || place.idle_for() >= shared.idle {
                    break;
                }
            }
            () = stopped(&shared.stop), if stop_at.is_none() => stop_at = Some(Instant::now() + LAST_CALL),
        }
    }
    end(connection.as_mut());
    if timeout(shared.patience, connection).await.is_err() {
        place.slow();
    }
}

/// Tasks of HTTP/2 stay on the connection's thread, where its worker is.
#[derive(Clone, Copy)]
struct ThisThread;

impl<F: Future + 'static> hyper::rt::Executor<F> for ThisThread {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    peer: Peer,
    place: Rc<Place>,
    room: Rc<Room>,
    shared: Rc<Shared>,
) -> Result<Answer, Infallible> {
    let is_head = request.method() == Method::HEAD;
    let asked = match query(request, &room, &shared).await {
        Ok(asked) => asked,
        Err(status) => return Ok(refuse(status)),
    };
    let waited = match asked.reserved {
        Some(reserved) => Some(reserved),
        None => timeout(shared.patience, room.reserve()).await.ok().flatten(),
    };
    let Some(reserved) = waited else { return Ok(refuse(StatusCode::SERVICE_UNAVAILABLE)) };
    let Some(message) = shared.responder.answer(peer, &asked.octets, <[u8]>::to_vec) else {
        return Ok(refuse(StatusCode::BAD_REQUEST));
    };
    place.active();
    Ok(found(message, reserved, is_head))
}

/// The answer, whose octets keep their room until they are sent; for HEAD, what would stand above it (RFC 9110 9.3.2).
fn found(message: Vec<u8>, reserved: Reserved, is_head: bool) -> Answer {
    let (octets, fresh_s) = (message.len(), freshness_s(&message));
    let mut answer = match is_head {
        true => Response::new(Full::default()),
        false => Response::new(Full::new(Bytes::from_owner(reserved.keep(message)))),
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CONTENT_LENGTH, octets.into());
    if let Ok(value) = format!("max-age={fresh_s}").try_into() {
        headers.insert(CACHE_CONTROL, value);
    }
    answer
}

fn refuse(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    answer
}

/// The DNS message of a request, and the room that it took if it is large.
struct Asked {
    octets: Vec<u8>,
    reserved: Option<Reserved>,
}

/// What is asked, or the status that says why nothing is.
async fn query(request: Request<Incoming>, room: &Room, shared: &Shared) -> Result<Asked, StatusCode> {
    let (head, body) = request.into_parts();
    let body = whole(body, room, shared).await; // first of all: who is cut off while he sends does not hear why
    if head.uri.path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    match head.method {
        Method::GET | Method::HEAD => parameter(head.uri.query().unwrap_or_default()),
        Method::POST if !is_dns_message(&head.headers) => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        Method::POST => body,
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// The one variable `dns` of a URI (RFC 8484 4.1): base64url without padding.
fn parameter(query: &str) -> Result<Asked, StatusCode> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix("dns="));
    let (Some(value), None) = (values.next(), values.next()) else { return Err(StatusCode::BAD_REQUEST) };
    if value.len() > PARAMETER_OCTETS_MAX {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let octets = BASE64URL_NOPAD.decode(value.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Asked { octets, reserved: None })
}

fn is_dns_message(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// A body of at most 65 535 octets.
async fn whole(mut body: Incoming, room: &Room, shared: &Shared) -> Result<Asked, StatusCode> {
    let read = async {
        let (mut query, mut octets, mut reserved) = (Vec::new(), 0, None);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue }; // trailers
            octets += data.len();
            if octets > SMALL_BODY_OCTETS && reserved.is_none() {
                reserved = room.reserve().await; // what comes meanwhile waits with the peer
            }
            if octets <= TCP_OCTETS_MAX {
                query.extend_from_slice(&data);
            } else if octets > BODY_OCTETS_MAX {
                break;
            }
        }
        let asked = Asked { octets: query, reserved };
        if octets > TCP_OCTETS_MAX { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(asked) }
    };
    timeout(shared.patience, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_one_and_in_its_one_form() {
        let parameter = |query| parameter(query).map(|asked| asked.octets);
        assert_eq!(parameter("dns=AAAB").unwrap(), [0, 0, 1]);
        assert_eq!(parameter("ct=&dns=_-8").unwrap(), [0xff, 0xef]);
        for broken in ["", "dns", "dnsx=AAAB", "dns=AAAB&dns=AAAB", "dns=AA==", "dns=+/8", "dns=AA%3D", "dns=A"] {
            assert_eq!(parameter(broken).unwrap_err(), StatusCode::BAD_REQUEST, "{broken}");
        }
        assert_eq!(parameter(&format!("dns={}", "A".repeat(4_097))).unwrap_err(), StatusCode::URI_TOO_LONG);
    }
}
