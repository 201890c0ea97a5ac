//! The HTTP listener: bounded connections, headers and patience; ends gracefully.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::mutual;

/// Connections at once. Each costs a task and at most two header buffers; beyond this, new ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;
/// The most bytes of request line and headers (REGISTRY 8).
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How long a client may take to send its headers: a slow one must not hold a connection.
const HEADER_WAIT: Duration = Duration::from_secs(10);
/// How long requests under way may take to end when the server stops.
const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// Binds the API's address; an error names the address and what to do.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|e| {
        let why = match e.kind() {
            io::ErrorKind::AddrInUse => {
                format!("{address} (HTTP) is in use by another program; stop it or set http.listen to a free port")
            }
            io::ErrorKind::PermissionDenied => format!("{address} (HTTP) needs privileges; choose a port above 1023"),
            io::ErrorKind::AddrNotAvailable => format!("{address} (HTTP) is not an address of this machine"),
            _ => format!("cannot listen on {address} (HTTP): {e}"),
        };
        io::Error::new(e.kind(), why)
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A socket on which the API listens.
pub struct Front {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

impl Front {
    /// Plain HTTP.
    pub fn plain(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }

    /// HTTP over TLS, by a configuration of [`mutual::config`].
    pub fn tls(listener: TcpListener, config: Arc<ServerConfig>) -> Self {
        Self { listener, tls: Some(config) }
    }
}

/// Serves until `stop` turns true, then lets requests under way end. The fronts share their places.
pub async fn serve(fronts: Vec<Front>, router: Router, stop: watch::Receiver<bool>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut accepting = JoinSet::new();
    for front in fronts {
        let listener = tokio::net::TcpListener::from_std(front.listener)?;
        let acceptor = front.tls.map(TlsAcceptor::from);
        accepting.spawn(accept(listener, acceptor, router.clone(), places.clone(), stop.clone()));
    }
    while accepting.join_next().await.is_some() {}
    Ok(())
}

/// Takes connections, each when there is a place, until `stop` turns true; then waits until they have ended.
async fn accept(
    listener: tokio::net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    places: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stopped(&mut stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of descriptors, or the peer is gone already: neither may end the server.
                tracing::warn!(error = %e, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true); // only speed depends on it
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let _place = place;
            let Some(acceptor) = acceptor else { return converse(stream, peer, None, router, stop).await };
            // Who is slow with the handshake is as slow as with headers.
            if let Ok(Ok(stream)) = tokio::time::timeout(HEADER_WAIT, acceptor.accept(stream)).await {
                let shown = mutual::shown(stream.get_ref().1);
                converse(stream, peer, shown, router, stop).await;
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection to its end.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: SocketAddr,
    shown: Option<Arc<[u8]>>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer)); // who asks, for limits
        if let Some(shown) = &shown {
            request.extensions_mut().insert(ConnectInfo(shown.clone())); // with which certificate, for tokens bound to one
        }
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => {}
        _ = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ended = tokio::time::timeout(DRAIN_WAIT, connection).await;
        }
    }
}

/// Returns when the switch is on, or when nobody holds it any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|on| *on).await;
}
