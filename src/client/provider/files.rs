//! Files that lie below the API's address, such as those of a log: bytes as they are, within a bound.

use ureq::http::{Method, StatusCode};

use super::{Api, ApiError, Call, Repeat};

impl Api {
    /// The file at `path` (it begins with `/`), of at most `bytes_max` bytes; nothing if there is none.
    pub(crate) fn file(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, ApiError> {
        let call = Call::new(Method::GET, path.to_owned(), Repeat::Harmless);
        let mut answer = match self.answered(&call) {
            Ok(answer) => answer,
            Err(ApiError::Problem(problem)) if problem.status == StatusCode::NOT_FOUND.as_u16() => return Ok(None),
            // Whoever mirrors a log need not have this API.
            Err(ApiError::Foreign { status, .. }) if status == StatusCode::NOT_FOUND.as_u16() => return Ok(None),
            Err(error) => return Err(error),
        };
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(bytes_max as u64).read_to_vec();
        body.map(Some).map_err(|error| self.foreign(&call, status, &error))
    }

    /// The API's address, without a final slash.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}
