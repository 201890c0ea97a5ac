//! `/console`: pages for the operator's people, over the same calls to the authority as the API, and with no power more.

mod act_form;
mod acts;
mod audit_item;
mod audits;
mod charter;
mod complaints;
pub(crate) mod form;
mod keys;
mod log;
mod numbers;
mod provider;
mod providers;
mod refused;
mod sign_in;
mod system;
mod today;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use maud::{Markup, html};

use crate::authority::{SessionTimes, SignedIn, Site};
use crate::http::Api;
use crate::http::console::visit::Visit;
use crate::http::pages::assets::Asset;
use crate::http::pages::icons::{Icon, icon};
use crate::http::pages::{Page, Place, Shell};
use crate::registry::acts::Power;

pub(crate) use crate::http::console::refused::{in_its_form, told};

/// Where the console begins.
pub(crate) const ROOT: &str = "/console";

/// The console of an installation.
pub struct Console {
    /// For whom passkeys are made.
    pub site: Site,
    /// How long sessions last.
    pub times: SessionTimes,
    /// The keys of the signed zones.
    pub keys: Arc<dyn KeyRoom>,
    /// What the name server did in the last day, the oldest quarter of an hour first.
    pub quarters: Arc<dyn Fn() -> Vec<Quarter> + Send + Sync>,
    /// The configuration in force, without what is secret.
    pub settings: String,
}

/// What the name server did in a quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quarter {
    /// When it began, Unix seconds.
    pub from_s: u64,
    /// Answers.
    pub answers: u64,
    /// Questions for possible numbers that found one.
    pub found: u64,
    /// Those that did not.
    pub missed: u64,
}

impl Console {
    /// Where it begins.
    pub fn first_page(&self) -> String {
        format!("{}{ROOT}", self.site.origin)
    }

    /// The link with that secret.
    pub fn link(&self, secret: &str) -> String {
        format!("{}{ROOT}/link/{secret}", self.site.origin)
    }
}

/// The keys of the signed zones, as the console shows them; who runs the service hands it in. Both calls may read small files.
pub trait KeyRoom: Send + Sync {
    /// Each zone with its keys.
    fn zones(&self) -> Vec<ZoneKeysShown>;
    /// Asks for new keys: says what follows, or why not.
    fn roll(&self, zone: &str, what: Rolled) -> Result<String, String>;
}

/// Which keys are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rolled {
    /// The one that signs data.
    Zsk,
    /// The one that the parent knows.
    Ksk,
}

/// A signed zone.
#[derive(Clone, Debug, Default)]
pub struct ZoneKeysShown {
    /// Its name.
    pub zone: String,
    /// Who must act next, in words: `nobody`, `server`, `parent`, `operator`.
    pub next: String,
    /// Its keys.
    pub keys: Vec<KeyShown>,
    /// What the zone waits for.
    pub waits: Vec<String>,
    /// Why nothing is known.
    pub trouble: Option<String>,
}

/// A key of a zone.
#[derive(Clone, Debug, Default)]
pub struct KeyShown {
    /// `ZSK 12345`.
    pub name: String,
    /// Its algorithm, by number and name.
    pub algorithm: String,
    /// Where it is in its life.
    pub state: String,
    /// Since when, Unix seconds.
    pub since_s: u64,
    /// What it was and is: from, to (Unix seconds), and 0 coming, 1 in use, 2 going.
    pub stretches: Vec<(u64, u64, usize)>,
    /// What it waits for.
    pub waits: Vec<String>,
}

/// Every route. A test holds them to its list of who may use which.
pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/console", get(today::show))
        .route("/console/sign-in", get(sign_in::ask).post(sign_in::answer))
        .route("/console/link/{secret}", get(sign_in::link))
        .route("/console/link", post(sign_in::register))
        .route("/console/sign-out", post(sign_in::out))
        .route("/console/acts", get(acts::list).post(act_form::ask))
        .route("/console/acts/new", get(act_form::show))
        .route("/console/acts/{id}", get(acts::show))
        .route("/console/acts/{id}/approval", post(acts::approve))
        .route("/console/acts/{id}/withdrawal", post(acts::withdraw))
        .route("/console/providers", get(providers::list).post(providers::add))
        .route("/console/providers/new", get(providers::new))
        .route("/console/providers/{id}", get(provider::show))
        .route("/console/providers/{id}/tokens", post(provider::add_token))
        .route("/console/tokens/{id}/revocation", post(provider::revoke))
        .route("/console/numbers", get(numbers::ask).post(numbers::look_up))
        .route("/console/refusals", post(numbers::why))
        .route("/console/audits", get(audits::list).post(audits::close))
        .route("/console/audits/{id}", get(audits::show))
        .route("/console/audits/{id}/draw", post(audits::draw))
        .route("/console/audits/{id}/publication", post(audits::publish))
        .route("/console/audits/{id}/sanctions", post(audits::propose))
        .route("/console/audit-items/{id}", get(audit_item::show))
        .route("/console/audit-items/{id}/finding", post(audit_item::find))
        .route("/console/audit-items/{id}/codes", post(audit_item::send_code))
        .route("/console/complaints", get(complaints::list))
        .route("/console/complaints/{id}", post(complaints::move_on))
        .route("/console/log", get(log::show))
        .route("/console/keys", get(keys::show).post(keys::roll))
        .route("/console/charter", get(charter::show))
        .route("/console/charter/draft", post(charter::compare))
        .route("/console/system", get(system::show))
        .route("/console/system/passkeys", get(system::passkey).post(system::register))
        .route("/console/system/passkeys/{id}/removal", post(system::remove))
        .route("/console/system/sessions/{id}/end", post(system::end))
}

/// The places of the console.
fn places(visit: &Visit) -> Vec<Place> {
    let place = |path, name, icon, waiting| Place { path, name, icon, waiting };
    let all = [
        place("/console", "Today", Icon::Today, 0),
        place("/console/acts", "Acts", Icon::Hands, 0),
        place("/console/numbers", "Numbers", Icon::Number, 0),
        place("/console/providers", "Providers", Icon::Provider, 0),
        place("/console/audits", "Audits", Icon::Audit, 0),
        place("/console/complaints", "Complaints", Icon::Complaint, 0),
        place("/console/log", "Log", Icon::Log, 0),
        place("/console/keys", "Zones and keys", Icon::Key, 0),
        place("/console/charter", "Charter", Icon::Charter, 0),
        place("/console/system", "System", Icon::System, 0),
    ];
    let shown = |place: &Place| place.path != "/console/complaints" || may(visit, Power::Audit);
    all.into_iter().filter(shown).collect()
}

/// A page of somebody who is signed in.
fn page(api: &Api, visit: &Visit, title: &str, here: &str, body: Markup) -> Page {
    page_with(api, visit, title, here, &[], body)
}

/// The same with scripts.
fn page_with(api: &Api, visit: &Visit, title: &str, here: &str, scripts: &[&'static Asset], body: Markup) -> Page {
    let SignedIn { person, .. } = &visit.who;
    let who = html! {
        span { (icon(Icon::Person)) " " (person.id) " · " (person.role.name()) }
        form.inline method="post" action="/console/sign-out" {
            (visit.token())
            button.quiet.small type="submit" { (icon(Icon::Leave)) "Sign out" }
        }
    };
    let places = places(visit);
    let shell = Shell { title, directory: &api.apex, home: ROOT, places: &places, here, who, scripts };
    shell.page(body)
}

/// A page of nobody yet.
fn alone(api: &Api, title: &str, body: Markup) -> Page {
    shell_alone(api, title, &[]).page(body)
}

fn shell_alone<'a>(api: &'a Api, title: &'a str, scripts: &'a [&'static Asset]) -> Shell<'a> {
    Shell { title, directory: &api.apex, home: ROOT, places: &[], here: "", who: html! {}, scripts }
}

/// Whether a person may do what this power allows: what is not allowed is not offered. The authority decides all the same.
fn may(visit: &Visit, power: Power) -> bool {
    visit.who.person.role.may(power)
}
