//! The HTTP API v1: one file a resource; each handler extracts, makes one call to the authority, converts the answer.

mod acts;
mod audit;
mod audits;
mod batches;
mod bodies;
mod changes;
mod charter;
mod complaints;
mod conditions;
mod console;
mod fields;
mod health;
mod holder;
mod id;
mod limits;
mod list;
mod log;
mod monitor;
mod naming;
mod numbers;
mod openapi;
mod pages;
mod problem;
mod proofs;
mod providers;
mod public;
mod query;
mod rdap;
mod receipts;
mod request;
mod revalidations;
mod staff;
mod strict;
mod tokens;
mod transfers;
mod trust;
mod webhooks;
mod wrap;

use std::sync::Arc;

pub use crate::http::console::{Console, KeyRoom, KeyShown, Quarter, Rolled, ZoneKeysShown};
pub use crate::http::limits::Limits;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::service::Check;
use crate::authority::Authority;
use crate::clock::Clock;
use crate::log::random::Random;
use crate::rdap::Apex;
use crate::telemetry::Metrics;

/// Asks the name server something real and says whether the answer was right.
pub type Probe = Arc<dyn Fn() -> Check + Send + Sync>;

/// Tells the number zone as it is served now. May read a small file.
pub type ZoneFacts = Arc<dyn Fn() -> Apex + Send + Sync>;

/// What every handler needs. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The only door to change.
    pub authority: Authority,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for request ids.
    pub random: Arc<dyn Random + Send + Sync>,
    /// Counters.
    pub metrics: Metrics,
    /// Whether the name server does its job.
    pub dns_probe: Probe,
    /// The apex of the number zone, with its final dot.
    pub apex: String,
    /// Servers and keys of the number zone.
    pub zone: ZoneFacts,
    /// How often somebody may ask.
    pub limits: Arc<Limits>,
    /// The console of the staff; none where it is not configured.
    pub console: Option<Arc<Console>>,
}

/// The whole API as a router; `net::http` serves it.
pub fn router(api: Api) -> Router {
    let (routes, document) = described().split_for_parts();
    let document = Arc::new(openapi::text(document));
    let console = if api.console.is_some() { console::router() } else { Router::new() };
    routes
        .merge(console)
        .route("/v1/openapi.json", get(move |asked: HeaderMap| openapi::serve(asked, Arc::clone(&document))))
        .merge(log::tiles())
        .merge(trust::files())
        .merge(pages::assets::router())
        .merge(public::router())
        .merge(rdap::router())
        .fallback(wrap::no_such_route)
        .method_not_allowed_fallback(wrap::no_such_method)
        .layer(axum::middleware::from_fn_with_state(api.clone(), wrap::every_request))
        .layer(axum::middleware::from_fn(rdap::in_its_form))
        .layer(axum::middleware::from_fn_with_state(api.clone(), console::in_its_form))
        .with_state(api)
}

/// The OpenAPI 3.1 document of the API, generated from the handlers (JSON text).
pub fn openapi_document() -> String {
    openapi::text(described().into_openapi())
}

/// Every route with its description.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(list::numbers))
        .routes(routes!(numbers::prepare))
        .routes(routes!(numbers::put, numbers::show, numbers::delete))
        .routes(routes!(numbers::validate))
        .routes(routes!(transfers::take, transfers::veto))
        .routes(routes!(transfers::object))
        .routes(routes!(transfers::make_code))
        .routes(routes!(batches::add))
        .routes(routes!(batches::show))
        .routes(routes!(batches::results))
        .routes(routes!(changes::list))
        .routes(routes!(webhooks::list, webhooks::add))
        .routes(routes!(webhooks::keys))
        .routes(routes!(webhooks::health))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::remove))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::redeliver))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(holder::act))
        .routes(routes!(receipts::show))
        .routes(routes!(proofs::prove))
        .routes(routes!(proofs::trust))
        .routes(routes!(monitor::watch))
        .routes(routes!(providers::list, providers::add))
        .routes(routes!(providers::change_status))
        .routes(routes!(providers::bulk_doors))
        .routes(routes!(tokens::list, tokens::add))
        .routes(routes!(charter::show, charter::propose))
        .routes(routes!(acts::appeal))
        .routes(routes!(acts::list, acts::ask))
        .routes(routes!(acts::show, acts::withdraw))
        .routes(routes!(acts::approve))
        .routes(routes!(acts::events, acts::submit_events))
        .routes(routes!(charter::proposed))
        .routes(routes!(staff::list))
        .routes(routes!(staff::set_key))
        .routes(routes!(staff::token))
        .routes(routes!(staff::link))
        .routes(routes!(staff::lost_keys))
        .routes(routes!(staff::flagged))
        .routes(routes!(tokens::revoke))
        .routes(routes!(complaints::list, complaints::add))
        .routes(routes!(complaints::show, complaints::move_on))
        .routes(routes!(log::list))
        .routes(routes!(log::gov_checkpoint))
        .routes(routes!(log::map_checkpoint))
        .routes(routes!(audits::all))
        .routes(routes!(audits::population))
        .routes(routes!(audits::requests))
        .routes(routes!(audits::item, audits::answer))
        .routes(routes!(audits::judge))
        .routes(routes!(audits::items))
        .routes(routes!(audits::findings))
        .routes(routes!(audits::close))
        .routes(routes!(audits::draw))
        .routes(routes!(audits::propose))
        .routes(routes!(audits::publish))
        .routes(routes!(revalidations::list, revalidations::send))
        .routes(routes!(revalidations::answer))
        .routes(routes!(audit::batch))
        .routes(routes!(audit::batches))
        .routes(routes!(audit::checkpoint))
        .routes(routes!(charter::version))
        .routes(routes!(openapi::explain_code))
        .routes(routes!(health::health))
        .routes(routes!(health::metrics))
}
