//! The operator's calls: staff, acts, appeals, lost keys.

use ureq::http::Method;

use super::{Api, ApiError, Call, Repeat, idempotency_key, path_segment};
use crate::api::acts::{
    Act, ActEvents, Acts, EventResults, FlaggedNumbers, LostKeys, NewAct, SignInLink, SignedEvents, Staff, TokenProof,
};
use crate::api::providers::{BulkDoors, IssuedToken, Key, Provider, Providers};

impl Api {
    /// The origin of the directory's map log, part of what is signed (`GET /v1/providers`).
    pub fn origin(&self) -> Result<String, ApiError> {
        let found: Providers = self.get("/v1/providers".into())?;
        found.origin.ok_or(ApiError::Setting("this directory does not tell the origin of its map log: it is too old"))
    }

    /// The operator's people (`GET /v1/staff`).
    pub fn staff(&self) -> Result<Staff, ApiError> {
        self.get("/v1/staff".into())
    }

    /// Sets one's own first key (`PUT /v1/staff/key`).
    pub fn set_staff_key(&self, key: &Key) -> Result<Staff, ApiError> {
        self.call(&Call::new(Method::PUT, "/v1/staff/key".into(), Repeat::Harmless).json(key)?)
    }

    /// A token for whoever signed the proof (`POST /v1/staff/token`). Its secret is shown this once.
    pub fn staff_token(&self, proof: &TokenProof) -> Result<IssuedToken, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/staff/token".into(), Repeat::Never).json(proof)?)
    }

    /// A link by which the person whose token this is registers a passkey (`POST /v1/staff/link`). It works once.
    pub fn sign_in_link(&self) -> Result<SignInLink, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/staff/link".into(), Repeat::Never))
    }

    /// Asks for an act (`POST /v1/acts`).
    pub fn ask_act(&self, wish: &NewAct) -> Result<Act, ApiError> {
        let key = idempotency_key()?;
        self.call(&Call::new(Method::POST, "/v1/acts".into(), Repeat::Once(&key)).json(wish)?)
    }

    /// A page of acts, the newest first (`GET /v1/acts`).
    pub fn acts(&self, cursor: Option<&str>, state: Option<&str>) -> Result<Acts, ApiError> {
        let cursor = cursor.map(|cursor| format!("cursor={}", path_segment(cursor)));
        let query: Vec<String> = cursor.into_iter().chain(state.map(|state| format!("state={state}"))).collect();
        self.get(format!("/v1/acts?{}", query.join("&")))
    }

    /// An act with its steps (`GET /v1/acts/{id}`).
    pub fn act(&self, id: &str) -> Result<Act, ApiError> {
        self.get(format!("/v1/acts/{}", path_segment(id)))
    }

    /// Approves an act (`POST /v1/acts/{id}/approval`).
    pub fn approve_act(&self, id: &str) -> Result<Act, ApiError> {
        let path = format!("/v1/acts/{}/approval", path_segment(id));
        self.call(&Call::new(Method::POST, path, Repeat::Harmless))
    }

    /// Withdraws an open act (`DELETE /v1/acts/{id}`).
    pub fn withdraw_act(&self, id: &str) -> Result<Act, ApiError> {
        self.call(&Call::new(Method::DELETE, format!("/v1/acts/{}", path_segment(id)), Repeat::Harmless))
    }

    /// Every event of an approved act that is still to be signed (`GET /v1/acts/{id}/events`, all pages).
    pub fn act_events(&self, id: &str) -> Result<ActEvents, ApiError> {
        let path = format!("/v1/acts/{}/events", path_segment(id));
        let mut all: ActEvents = self.get(path.clone())?;
        while let Some(cursor) = all.next.take() {
            let page: ActEvents = self.get(format!("{path}?cursor={}", path_segment(&cursor)))?;
            all.events.extend(page.events);
            all.next = page.next;
        }
        Ok(all)
    }

    /// Hands in signed events of an act (`POST /v1/acts/{id}/events`), at most 50.
    pub fn submit_act_events(&self, id: &str, events: &SignedEvents) -> Result<EventResults, ApiError> {
        let path = format!("/v1/acts/{}/events", path_segment(id));
        self.call(&Call::new(Method::POST, path, Repeat::Harmless).json(events)?)
    }

    /// Appeals against a provider's sanction (`POST /v1/providers/{id}/appeal`).
    pub fn appeal(&self, provider: &str) -> Result<Provider, ApiError> {
        let path = format!("/v1/providers/{}/appeal", path_segment(provider));
        self.call(&Call::new(Method::POST, path, Repeat::Harmless))
    }

    /// The bulk doors that are open (`GET /v1/bulk-doors`).
    pub fn bulk_doors(&self) -> Result<BulkDoors, ApiError> {
        self.get("/v1/bulk-doors".into())
    }

    /// Lost keys of validation entities and what rests on them (`GET /v1/lost-keys`).
    pub fn lost_keys(&self) -> Result<LostKeys, ApiError> {
        self.get("/v1/lost-keys".into())
    }

    /// A page of the numbers that rest on a lost key (`GET /v1/lost-keys/{key}/numbers`).
    pub fn flagged(&self, key: &str, cursor: Option<&str>) -> Result<FlaggedNumbers, ApiError> {
        let query = cursor.map_or_else(String::new, |cursor| format!("?cursor={}", path_segment(cursor)));
        self.get(format!("/v1/lost-keys/{}/numbers{query}", path_segment(key)))
    }
}
