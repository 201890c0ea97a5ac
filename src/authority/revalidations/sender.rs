//! Who sends codes: the seam, and the address that says which of the adapters it is.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::authority::Courier;
use crate::authority::revalidations::hook::Hook;
use crate::authority::revalidations::sip::Sip;
use crate::authority::revalidations::smpp::Smpp;
use crate::number::Number;

/// How long one message may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The longest part of an address.
const PART_LEN_MAX: usize = 255;

/// Sends a text to a number. One at a time is asked of it; it blocks, ten seconds or so at most.
pub trait CodeSender: Send + Sync {
    /// Sends. `Ok`: the next hop took it; whether it arrived nobody knows.
    fn send(&self, number: Number, text: &str) -> Result<(), NotSent>;
}

/// Why a text was not taken. Never holds the number or the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Nobody there, or the connection broke.
    #[error("the gateway cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the gateway did not answer in time")]
    Timeout,
    /// It says no; its status.
    #[error("the gateway says no: {0}")]
    Refused(u32),
    /// What it says is not of its protocol.
    #[error("the gateway does not speak the protocol")]
    Protocol,
}

/// Why an address names no sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// None of the forms.
    #[error("audit.sender is https://…, smpp://SYSTEM-ID@HOST:PORT or sip:USER@HOST:PORT")]
    Form,
    /// The host is not to be found.
    #[error("the host of audit.sender has no address")]
    Host,
    /// The hook's URL is not one that anything is sent to.
    #[error("audit.sender: {0}")]
    Url(#[from] crate::authority::UrlMistake),
}

/// The sender at an address; `secret` is the hook's bearer token or the SMPP password.
pub fn sender_at(
    address: &str,
    secret: Zeroizing<String>,
    courier: Courier,
) -> Result<Arc<dyn CodeSender>, SenderError> {
    if let Some(rest) = address.strip_prefix("smpp://") {
        let (user, peer) = user_and_peer(rest)?;
        return Ok(Arc::new(Smpp::new(peer, user, secret)));
    }
    if let Some(rest) = address.strip_prefix("sip:") {
        let (user, peer) = user_and_peer(rest)?;
        return Ok(Arc::new(Sip::new(peer, user)));
    }
    if address.starts_with("https://") || address.starts_with("http://") {
        return Ok(Arc::new(Hook::new(address, secret, courier)?));
    }
    Err(SenderError::Form)
}

/// `USER@HOST:PORT`, looked up once: a gateway is in the operator's own net.
fn user_and_peer(text: &str) -> Result<(String, SocketAddr), SenderError> {
    let (user, host) = text.split_once('@').ok_or(SenderError::Form)?;
    let plain = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte);
        (1..=PART_LEN_MAX).contains(&part.len()) && part.bytes().all(fits)
    };
    if !plain(user) || host.len() > PART_LEN_MAX || !host.contains(':') {
        return Err(SenderError::Form);
    }
    let peer = host.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or(SenderError::Host)?;
    Ok((user.to_owned(), peer))
}
