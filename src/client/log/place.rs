//! Where logs are: a directory's API, a copy on some web server, a folder. All have the same files.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::api::log::{LogInfo, Logs};
use crate::client::log::LogError;
use crate::client::provider::Api;
use crate::log::tile::Tile;
use crate::log::tree::{TileSource, Tree};

/// Where an API has its list of logs.
const API_INDEX: &str = "v1/log";
/// Where a copy has it.
pub(super) const COPY_INDEX: &str = "log.json";
/// The longest list of logs that is read, and the longest checkpoint: some hundred lines.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What somebody meant by a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A folder on this machine.
    Folder(PathBuf),
    /// An address on the web.
    Url {
        /// The address of the API, or of a copy.
        base: String,
        /// The way from there on: empty, `/v1/log`, `/v1/log/gov`.
        below: String,
    },
}

/// Reads a text: an address, with `https://` understood, or `http://` on this machine; or a folder that is there.
pub fn named(text: &str) -> Result<Named, LogError> {
    let address = match text.contains("://") {
        true => text.to_owned(),
        false if Path::new(text).is_dir() => return Ok(Named::Folder(PathBuf::from(text))),
        false if text.starts_with(['/', '.']) => return Err(LogError::NoLog { at: text.to_owned() }),
        false if is_loopback(text) => format!("http://{text}"),
        false => format!("https://{text}"),
    };
    let address = address.trim_end_matches('/');
    let split = address.find("/v1/log").filter(|at| matches!(address.as_bytes().get(at + 7), None | Some(b'/')));
    let (base, below) = address.split_at(split.unwrap_or(address.len()));
    Ok(Named::Url { base: base.to_owned(), below: below.to_owned() })
}

fn is_loopback(text: &str) -> bool {
    let authority = text.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A place where files of logs are.
#[derive(Clone, Debug)]
pub enum Place {
    /// Below an address, and the way that was named beyond it.
    Http(Api, String),
    /// In a folder.
    Folder(PathBuf),
}

impl Place {
    /// The logs here, the gov log first: both, or the one that was named.
    pub fn logs(&self) -> Result<Vec<LogAt>, LogError> {
        let (named, indexes) = match self {
            Self::Http(_, below) => match below.trim_start_matches('/') {
                "" => (None, &[API_INDEX, COPY_INDEX][..]),
                API_INDEX => (None, &[API_INDEX][..]),
                one => (Some(one.to_owned()), &[API_INDEX][..]),
            },
            Self::Folder(_) => (None, &[COPY_INDEX][..]),
        };
        let index = indexes.iter().find_map(|index| self.index(index).transpose()).transpose()?;
        let known: Vec<LogAt> = index.into_iter().flat_map(|index| index.logs).map(|info| self.log(info)).collect();
        let one = match named {
            None if !known.is_empty() => return Ok(known),
            None => String::new(),
            Some(one) => one,
        };
        if let Some(log) = known.into_iter().find(|log| log.prefix == one) {
            return Ok(vec![log]);
        }
        let log = LogAt { place: self.clone(), prefix: one, info: None };
        if log.checkpoint()?.is_none() {
            return Err(LogError::NoLog { at: self.shown("") });
        }
        Ok(vec![log])
    }

    fn index(&self, path: &str) -> Result<Option<Logs>, LogError> {
        let Some(raw) = self.get(path, TEXT_BYTES_MAX)? else { return Ok(None) };
        // Some servers answer whatever is asked with a page of their own: that is no list, and there may be one elsewhere.
        Ok(serde_json::from_slice(&raw).ok())
    }

    fn log(&self, info: LogInfo) -> LogAt {
        LogAt { place: self.clone(), prefix: info.prefix.trim_matches('/').to_owned(), info: Some(info) }
    }

    fn get(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, LogError> {
        match self {
            Self::Http(api, _) => Ok(api.file(&format!("/{path}"), bytes_max)?),
            Self::Folder(dir) => read_file(&dir.join(path), bytes_max),
        }
    }

    /// For people.
    fn shown(&self, path: &str) -> String {
        match self {
            Self::Http(api, below) if path.is_empty() => format!("{}{below}", api.base()),
            Self::Http(api, _) => format!("{}/{path}", api.base()),
            Self::Folder(dir) => dir.join(path).display().to_string(),
        }
    }
}

/// A file within a bound; nothing if there is none.
pub(super) fn read_file(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, LogError> {
    let failed = |source| LogError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(LogError::untrue(&path.display().to_string(), format!("it is longer than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// One log at a place.
#[derive(Clone, Debug)]
pub struct LogAt {
    place: Place,
    prefix: String,
    info: Option<LogInfo>,
}

impl LogAt {
    /// The log of that origin (`host/map/0`) where the API that serves it has it.
    pub fn in_api(api: Api, origin: &str) -> Self {
        let path = origin.split_once('/').map_or(origin, |(_, path)| path);
        Self { prefix: format!("{API_INDEX}/{path}"), place: Place::Http(api, String::new()), info: None }
    }

    /// What the place says of it, which proves nothing; None where no list is.
    pub const fn info(&self) -> Option<&LogInfo> {
        self.info.as_ref()
    }

    /// Where it is, for people.
    pub fn shown(&self) -> String {
        self.place.shown(&self.prefix)
    }

    /// The checkpoint as it is there, not looked at.
    pub(super) fn checkpoint(&self) -> Result<Option<String>, LogError> {
        let Some(raw) = self.get("checkpoint", TEXT_BYTES_MAX)? else { return Ok(None) };
        String::from_utf8(raw).map(Some).map_err(|_| LogError::untrue(&self.shown(), "its checkpoint is not text"))
    }

    fn get(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, LogError> {
        let path = if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) };
        self.place.get(&path, bytes_max)
    }
}

/// A log's tiles: from where it is, full ones from a copy where that has them.
pub(crate) struct Files {
    at: LogAt,
    copy: Option<PathBuf>,
    read: Cell<u64>,
}

impl Files {
    pub(super) const fn new(at: LogAt, copy: Option<PathBuf>) -> Self {
        Self { at, copy, read: Cell::new(0) }
    }

    /// How many tiles and bundles were read.
    pub(super) const fn count(&self) -> u64 {
        self.read.get()
    }
}

impl TileSource for Files {
    type Error = LogError;

    fn read(&self, tile: &Tile) -> Result<Option<Vec<u8>>, LogError> {
        let copied = self.copy.as_ref().filter(|_| tile.is_full()).map(|dir| dir.join(tile.to_string()));
        let found = match copied.map(|path| read_file(&path, tile.bytes_max())).transpose()?.flatten() {
            Some(copied) => Some(copied),
            None => self.at.get(&tile.to_string(), tile.bytes_max())?,
        };
        self.read.set(self.read.get() + u64::from(found.is_some()));
        Ok(found)
    }
}

/// A log that is being read.
pub(crate) type LogTree = Tree<Files>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_mean_many_things() {
        let url = |base: &str, below: &str| Named::Url { base: base.into(), below: below.into() };
        for (text, meant) in [
            ("http://127.0.0.1:8300", url("http://127.0.0.1:8300", "")),
            ("127.0.0.1:8300", url("http://127.0.0.1:8300", "")),
            ("[::1]:8300/v1/log/gov", url("http://[::1]:8300", "/v1/log/gov")),
            ("localhost/", url("http://localhost", "")),
            ("directory.example", url("https://directory.example", "")),
            ("https://directory.example/v1/log/", url("https://directory.example", "/v1/log")),
            ("https://directory.example/v1/logs", url("https://directory.example/v1/logs", "")),
            ("https://copies.example/a/v1/log/map/0", url("https://copies.example/a", "/v1/log/map/0")),
        ] {
            assert_eq!(named(text).unwrap(), meant, "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().display().to_string();
        assert_eq!(named(&text).unwrap(), Named::Folder(dir.path().to_owned()));
        assert!(matches!(named("./no such folder"), Err(LogError::NoLog { .. })));
    }
}
