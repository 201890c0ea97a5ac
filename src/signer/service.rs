//! The signer as a service for one directory: a socket of this machine, whose permissions say who may ask.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::log::checkpoint::Checkpoint;
use crate::signer::frame::{self, Answer, Ask, Held};
use crate::signer::{Local, Log, SignerError};

/// The owner and the group: the signer's user, and the authority in its group.
const SOCKET_MODE: u32 = 0o660;
/// Connections at once: one authority has one, a check now and then another.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may be silent: the authority says something each heartbeat, an hour apart at most.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// How long a peer may take to accept an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running signer. Dropping it ends it, after the answers under way.
pub struct Service {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    signer: Local,
    stop: AtomicBool,
    connections: AtomicUsize,
    /// Held while something is signed and answered.
    answering: Mutex<()>,
}

impl Service {
    /// Listens at `path`; a socket that an earlier process left there is replaced.
    pub fn start(signer: Local, path: &Path) -> io::Result<Self> {
        // Closed to others before it has its name, so that nobody comes in between.
        let partial = path.with_extension("partial");
        let _ = std::fs::remove_file(&partial); // left by a start that was cut off
        let listener = UnixListener::bind(&partial)?;
        std::fs::set_permissions(&partial, PermissionsExt::from_mode(SOCKET_MODE))?;
        std::fs::rename(&partial, path)?;
        let shared = Shared {
            signer,
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            answering: Mutex::new(()),
        };
        let shared = Arc::new(shared);
        let ours = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("signer".into()).spawn(move || accept(&listener, &ours))?;
        Ok(Self { path: path.to_owned(), shared, thread: Some(thread) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let _wakes = UnixStream::connect(&self.path); // who waits for a connection sees that it shall stop
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the signer's listener had panicked");
        }
        drop(self.shared.answering.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = std::fs::remove_file(&self.path); // a socket that nobody listens at is refused as well
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    /// Out of descriptors, most likely.
    const FAILED_PAUSE: Duration = Duration::from_millis(50);
    loop {
        let accepted = listener.accept();
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        match accepted {
            Ok((stream, _)) => begin(stream, shared),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                std::thread::sleep(FAILED_PAUSE);
            }
        }
    }
}

/// A place among the connections.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

fn begin(stream: UnixStream, shared: &Arc<Shared>) {
    let before = shared.connections.fetch_add(1, Ordering::AcqRel);
    let place = Place(Arc::clone(shared));
    if before >= CONNECTIONS_MAX {
        tracing::warn!("more than {CONNECTIONS_MAX} connections at once: one more is refused");
        return;
    }
    let talk = move || {
        if let Err(error) = converse(stream, &place.0) {
            tracing::warn!(%error, "a connection was given up");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("signer connection".into()).spawn(talk) {
        tracing::error!(%error, "no thread for a connection");
    }
}

fn converse(mut stream: UnixStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    while let Some(text) = frame::take(&mut stream)? {
        let _answering = shared.answering.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.stop.load(Ordering::Acquire) {
            return Ok(());
        }
        let said = answer(&shared.signer, &text);
        if let Answer::Refused(why) = &said {
            tracing::warn!(%why, "a head was refused");
        }
        frame::send(&mut stream, &said.write())?;
    }
    Ok(())
}

fn answer(signer: &Local, text: &str) -> Answer {
    let line = match Ask::parse(text) {
        Err(error) => return Answer::Malformed(error.to_string()),
        Ok(Ask::State) => return state(signer).unwrap_or_else(refusal),
        Ok(Ask::Leaf(text)) => signer.sign_leaf(&text),
        Ok(Ask::Head(addition)) => Checkpoint::parse(&addition.note)
            .map_err(SignerError::from)
            .and_then(|head| signer.sign(&head, addition.old, &addition.proof)),
    };
    line.map_or_else(refusal, Answer::Line)
}

fn state(signer: &Local) -> Result<Answer, SignerError> {
    let held = |log| Ok::<_, SignerError>(Held { key: signer.verifier(log).clone(), seen: signer.seen(log)? });
    Ok(Answer::State(Box::new([held(Log::Map)?, held(Log::Gov)?])))
}

fn refusal(error: SignerError) -> Answer {
    match error {
        SignerError::Refused(refused) => Answer::Refused(refused),
        SignerError::Unknown(origin) => Answer::Unknown(origin),
        SignerError::Malformed(error) => Answer::Malformed(error.to_string()),
        other => {
            tracing::error!(error = %other, "nothing is signed");
            Answer::Trouble(other.to_string())
        }
    }
}
