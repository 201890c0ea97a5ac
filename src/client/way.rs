//! Whether what is sent to a URL can be read by somebody on the way.

use ureq::http::Uri;

/// The way to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// TLS, or no way at all: this machine.
    Closed,
    /// Plain HTTP to somewhere else.
    Open,
}

/// The way there; nothing of what is no URL of the web.
pub(super) fn to(url: &str) -> Option<Way> {
    let uri: Uri = url.parse().ok()?;
    let (authority, host) = (uri.authority()?.as_str(), uri.host().filter(|host| !host.is_empty())?);
    match uri.scheme_str() {
        Some("https") => Some(Way::Closed),
        // What stands before an @ is a user, whatever host it looks like.
        Some("http") if matches!(host, "127.0.0.1" | "[::1]" | "localhost") && !authority.contains('@') => {
            Some(Way::Closed)
        }
        Some("http") => Some(Way::Open),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_open() {
        for url in [
            "https://directory.example",
            "https://a.example:8443/x",
            "http://127.0.0.1:8300",
            "http://[::1]:80/",
            "http://localhost",
        ] {
            assert_eq!(to(url), Some(Way::Closed), "{url}");
        }
        for url in [
            "http://directory.example",
            "http://127.0.0.1.example/",
            "http://localhost:8300@thief.example",
            "http://127.0.0.1@thief.example/",
        ] {
            assert_eq!(to(url), Some(Way::Open), "{url}");
        }
        for url in ["", "https://", "directory.example", "/v1", "ftp://x.example", "file:///etc/passwd", "http:// x"] {
            assert_eq!(to(url), None, "{url}");
        }
    }
}
