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
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

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

/// Serves until `stop` turns true, then lets requests under way end.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
        let (routes, mut stop) = (TowerToHyperService::new(router.clone()), stop.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer)); // who asks, for limits
            routes.call(request)
        });
        connections.spawn(async move {
            let _place = place;
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
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Returns when the switch is on, or when nobody holds it any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|on| *on).await;
}
