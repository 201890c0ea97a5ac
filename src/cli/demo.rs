//! `demo`: a whole directory on this machine without any configuration: keys made on the spot, a provider, sample numbers.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::authority::{Actor, Entrant, NewToken, TOKEN_LIFE_D, Visibility};
use crate::cli::instance::Instance;
use crate::cli::profile::{Profile, read_token};
use crate::cli::report::{Failure, Report, say};
use crate::cli::{ListenArgs, init, keeper, synthetic};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, FILE_NAME};
use crate::dnssec::Algorithm;
use crate::net;
use crate::number::Number;
use crate::registry::standing::ProviderStatus;
use crate::wire::Name;

const APEX: &str = "e164.example.";
const HOST: &str = "demo.example";
const PROVIDER: &str = "acme";
/// How long the demo waits for its own registrations to be published.
const PUBLISHED_WAIT_MS: u64 = 30_000;

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Where the demo keeps everything; made if missing, gone on with if not.
    #[arg(long, value_name = "DIR", default_value = "callbook-demo")]
    dir: PathBuf,
    #[command(flatten)]
    listen: ListenArgs,
    /// Register this many synthetic numbers in +999 as well, through the real law and with real signatures.
    #[arg(long, value_name = "N", default_value_t = 0)]
    numbers: u64,
    /// The zone keys' algorithm, 13 (ECDSA P-256) or 15 (Ed25519); 13 for a new demo, that of its keys for an old one.
    #[arg(long, value_name = "NUMBER")]
    algorithm: Option<Algorithm>,
}

/// Twenty numbers in ranges that are reserved for fiction and tests.
fn samples() -> Vec<Number> {
    let uk = (1..=8).map(|i| format!("+44770090000{i}"));
    let us = (0..8).map(|i| format!("+1202555012{i}"));
    let sandbox = (0..4).map(|i| format!("+99900012{i}0"));
    uk.chain(us).chain(sandbox).map(|text| Number::parse(&text).expect("a well-formed number")).collect()
}

pub(crate) fn run(args: &DemoArgs, json: bool) -> Result<Report, Failure> {
    if !args.dir.join(FILE_NAME).exists() {
        let mut config = Config::new(APEX, HOST);
        config.dnssec.algorithm = args.algorithm.unwrap_or_default().number();
        init::make(&args.dir, &config, init::Ksk::Here)?;
    }
    let mut config = Config::load(&args.dir)?;
    let apex = Name::from_text(&config.apex).map_err(|e| Failure::new(format!("apex {}: {e}", config.apex)))?;
    let algorithm = keeper::keeping(&config, &apex).life(SystemClock.now_s())?.algorithm();
    if let (Some(wanted), Some(found)) = (args.algorithm, algorithm)
        && wanted != found
    {
        return Err(Failure::new(format!(
            "this demo's keys are of algorithm {found}: leave --algorithm out, or roll them with `callbook keys roll --algorithm {wanted}`"
        )));
    }
    config.dns.listen = vec![args.listen.dns];
    config.http.listen = args.listen.http;
    config.console.origin = "http://localhost:0".to_owned();
    config.webhooks.loopback = true; // whoever tries them out has the receiver beside it
    let facts_file = args.dir.join("demo.json");
    // Until everything answers, there is no demo.json: scripts wait for it.
    if let Err(e) = std::fs::remove_file(&facts_file)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        return Err(e.into());
    }
    let mut instance = Instance::start(&args.dir, &config)?;
    let outcome = populate(args, &instance, json).and_then(|profile| {
        let facts = facts(args, &instance, &profile)?;
        replace_secret(&facts_file, &facts.to_string())?;
        say(&if json { facts.to_string() } else { banner(&args.dir, &facts) });
        Ok(())
    });
    if outcome.is_ok() {
        instance.wait_for_stop();
    }
    instance.stop()?;
    outcome?;
    let again = format!(
        "stopped; everything is kept in {0}. The same command goes on, `rm -r {0}` ends it",
        args.dir.display()
    );
    Ok(Report::done(again, json!({"stopped": true})))
}

/// Makes provider and numbers, as far as an earlier run has not, and waits until DNS answers with them.
fn populate(args: &DemoArgs, instance: &Instance, quiet: bool) -> Result<Profile, Failure> {
    let profile = provider(args, instance)?;
    let authority = &instance.authority;
    let actor = acting(instance, &profile)?;
    for (i, number) in samples().into_iter().enumerate() {
        if authority.read(&actor, number)?.is_some() {
            continue;
        }
        let prepared = authority.prepare_blocking(&actor, number)?;
        let uri = format!("sip:user{:02}@acme.example", i + 1);
        let submission = synthetic::registration(&profile, APEX, &prepared, number, &uri, &profile.device(number)?)?;
        match authority.submit_blocking(&actor, &submission, None) {
            Err(no) if synthetic::is_anothers(&no) => {} // was given back, or moved away: the demo goes on without it
            answer => drop(answer?),
        }
    }
    synthetic::fill(authority, &actor, &profile, APEX, args.numbers, quiet)?;
    // Events are published in the order in which they were accepted: behind the last synthetic number waits none of them.
    let newest = args.numbers.checked_sub(1).map(synthetic::number);
    samples().into_iter().chain(newest).try_for_each(|number| published(instance, &actor, number))?;
    for address in &instance.dns {
        net::probe::signed_soa(*address, APEX).map_err(Failure::new)?;
    }
    Ok(profile)
}

/// The demo's provider, which is its own validation entity.
fn provider(args: &DemoArgs, instance: &Instance) -> Result<Profile, Failure> {
    let dir = args.dir.join("provider");
    let api = format!("http://{}", instance.http);
    let mut profile = match dir.exists() {
        true => Profile::load(&dir)?,
        false => Profile::make(&dir, &api, PROVIDER)?,
    };
    profile.point_at(&api)?;
    profile.pin(instance.authority.origin(), &instance.authority.vrf_key())?;
    let (authority, operator) = (&instance.authority, Actor::operator());
    if !authority.providers().iter().any(|p| p.id == PROVIDER) {
        let new = Entrant {
            id: PROVIDER.to_owned(),
            name: "Acme Telephony (demo)".to_owned(),
            status: ProviderStatus::Accredited,
            statement_keys: vec![profile.statement_key.public().clone()],
            validation_keys: vec![profile.validation_key.public().clone()],
        };
        authority.add_provider(&operator, new)?;
    }
    if !profile.has_token() {
        let wish = NewToken {
            provider: Some(PROVIDER.to_owned()),
            scopes: Vec::new(),
            test: false,
            expires_in_d: TOKEN_LIFE_D,
            certificate: None,
        };
        let made = authority.add_token(&operator, wish)?;
        profile.keep_token(&made.token)?;
    }
    Ok(profile)
}

/// Waits until DNS answers with a registered number.
fn published(instance: &Instance, actor: &Actor, number: Number) -> Result<(), Failure> {
    let Some(view) = instance.authority.read(actor, number)? else { return Ok(()) };
    let waiting = instance.authority.wait_published(actor, &view.newest.event_hash, PUBLISHED_WAIT_MS);
    let receipt = instance.runtime().block_on(waiting)?;
    match receipt.map(|receipt| receipt.visibility) {
        Some(Visibility::Pending) => Err(Failure::new(format!(
            "{number} is registered but was not published within {} s; is the disk full? `callbook doctor` looks",
            PUBLISHED_WAIT_MS / 1000
        ))),
        _ => Ok(()),
    }
}

/// The provider as its token shows it.
fn acting(instance: &Instance, profile: &Profile) -> Result<Actor, Failure> {
    instance.authority.authenticate(&profile.token()?).ok_or_else(|| {
        Failure::new(
            "the demo provider's token has expired or is not of this directory; start a new demo in another directory",
        )
    })
}

fn facts(args: &DemoArgs, instance: &Instance, profile: &Profile) -> Result<Value, Failure> {
    let dir = std::fs::canonicalize(&args.dir)?;
    let numbers: Vec<String> = samples().iter().map(ToString::to_string).collect();
    Ok(json!({
        "dns": instance.dns.first().map(ToString::to_string),
        "http": instance.http.to_string(),
        "apex": APEX,
        "anchor_file": dir.join(init::ANCHOR_FILE),
        "anchor_delv_file": dir.join(init::ANCHOR_DELV_FILE),
        "provider": PROVIDER,
        "provider_dir": dir.join("provider"),
        "token": profile.token()?,
        "operator_token": read_token(&dir.join(init::OPERATOR_TOKEN_FILE))?,
        "sample_numbers": numbers,
        "synthetic_numbers": args.numbers,
        "console_link": console_link(args, instance)?, // null while none can be made
    }))
}

/// A link by which the demo's admin registers a passkey; none once the token that `init` made has expired, or while nothing is written:
/// the directory is frozen, or its disk is full.
fn console_link(args: &DemoArgs, instance: &Instance) -> Result<Option<String>, Failure> {
    let token = read_token(&args.dir.join(init::OPERATOR_TOKEN_FILE))?;
    let (Some(actor), Some(console)) = (instance.authority.authenticate(&token), &instance.console) else {
        return Ok(None);
    };
    match instance.authority.sign_in_link(&actor) {
        Ok((secret, _)) => Ok(Some(console.link(&secret))),
        Err(no) => {
            tracing::warn!(why = %Failure::from(no), "no link to the console was made");
            Ok(None)
        }
    }
}

/// Writes demo.json in one step: it holds tokens, and whoever waits for it must find it whole.
fn replace_secret(path: &Path, text: &str) -> Result<(), Failure> {
    let partial = path.with_extension("partial");
    let _ = std::fs::remove_file(&partial); // left by a run that was cut off
    init::write_secret(&partial, text)?;
    std::fs::rename(&partial, path)?;
    Ok(())
}

fn banner(dir: &Path, facts: &Value) -> String {
    let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
    let (dns, http, sample) = (text("dns"), text("http"), samples()[0]);
    let (ip, port) = dns.rsplit_once(':').unwrap_or((&dns, "53"));
    let program = std::env::current_exe().map_or_else(|_| "callbook".to_owned(), |p| p.display().to_string());
    let name = sample.enum_name(APEX);
    let dir = dir.display();
    format!(
        "callbook demo: a directory of its own, with {count} sample numbers\n\
         \n  DNS   {dns}   zone {APEX}\n  API   http://{http}/v1   (description: http://{http}/v1/openapi.json)\n  files {dir}/\n\
         \nPaste in another terminal:\n\
         \n  # look a number up and validate the answer\n  {program} lookup {sample} --server {dns} --anchor {dir}/{anchor}\n\
         \n  # the same with tools that are not ours\n  dig @{ip} -p {port} +dnssec NAPTR {name}\n  \
         delv @{ip} -p {port} -a {dir}/{delv} +root={root} NAPTR {name}\n\
         \n  # register a number of your own\n  {program} number register \"+44 7700 900999\" --sip sip:me@acme.example --provider {dir}/provider\n  \
         {program} lookup \"+44 7700 900999\" --server {dns} --anchor {dir}/{anchor} --explain\n\
         \n  # the console of the staff, once and within 15 minutes; later `callbook staff link` makes another link\n  {console}\n\
         \nStop with Ctrl-C; the same command goes on where it stopped.",
        count = samples().len(),
        console = facts["console_link"].as_str().unwrap_or("(none can be made now)"),
        anchor = init::ANCHOR_FILE,
        delv = init::ANCHOR_DELV_FILE,
        root = APEX.trim_end_matches('.'),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::Policy;

    #[test]
    fn the_charter_serves_every_sample() {
        let policy = Policy::embedded();
        for number in samples().into_iter().chain((0..1000).map(synthetic::number)) {
            assert!(policy.serves(number).is_ok(), "{number}");
        }
        assert_eq!(samples().len(), 20);
    }
}
