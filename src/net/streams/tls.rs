//! DNS over TLS (RFC 7858, RFC 8310): the handshake in front of a conversation, and what all encrypted transports share.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::{Certificate, provider};
use super::framed::{End, converse};
use super::limits::Place;
use super::{Shared, tcp};
use crate::nameserver::Peer;

/// ALPN of DNS over TLS (RFC 7858 has none; this is the one that IANA has registered for it). Clients may leave it out.
pub(super) const DOT: &[&[u8]] = &[b"dot"];

/// A configuration without early data, which anybody could send again (RFC 8446 8), and with tickets for resumption.
///
/// TLS 1.2 is there because RFC 9325 3.1.1 asks for it; both versions only with forward secrecy.
pub(super) fn config(certificate: &Arc<Certificate>, alpn: &[&[u8]]) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate.clone());
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

/// Shakes hands, converses, says goodbye.
pub(super) async fn serve(stream: TcpStream, peer: Peer, place: Place, shared: Rc<Shared>, config: Arc<ServerConfig>) {
    let Some(mut stream) = handshake(stream, &place, &shared, config).await else { return };
    match converse(&mut stream, peer, &place, &shared).await {
        Ok(End::Done) => {
            // With close_notify, so that the peer knows that nothing was cut off (RFC 7858 3.4).
            let _ = timeout(shared.patience, stream.shutdown()).await;
        }
        Ok(End::Cut) => tcp::abandon(stream.get_ref().0),
        Ok(End::Slow) => {
            place.slow();
            tcp::abandon(stream.get_ref().0);
        }
        Err(_) => {} // the peer went away
    }
}

/// The encrypted stream, unless the peer is no TLS client, too slow, or its place is needed.
pub(super) async fn handshake(
    stream: TcpStream,
    place: &Place,
    shared: &Shared,
    config: Arc<ServerConfig>,
) -> Option<TlsStream<TcpStream>> {
    let mut shaking = pin!(TlsAcceptor::from(config).accept(stream));
    tokio::select! {
        done = &mut shaking => done.ok(),
        () = place.cut() => None,
        () = sleep(shared.patience) => {
            place.slow();
            None
        }
    }
}
