//! A running directory: authority, name server and API of one installation, started and stopped together.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ring::rand::SystemRandom;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::api::service::Check;
use crate::authority::{self, Authority, Comparison, Courier, Opening, TrustStore, sender_at};
use crate::charter::Policy;
use crate::cli::apex;
use crate::cli::console;
use crate::cli::delegations::{self, Delegating, Right, Shown};
use crate::cli::escrow::Depositing;
use crate::cli::gauges::Standing;
use crate::cli::init;
use crate::cli::keeper::{self, Keep, Keeper};
use crate::cli::profile::read_token;
use crate::cli::reload::Reloading;
use crate::cli::report::Failure;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, read_cookie_secrets};
use crate::dnssec::life::Keeping;
use crate::dnssec::{Algorithm, ZoneKeys};
use crate::http::{self, Api};
use crate::log::random::Random;
use crate::nameserver::rare::Rare;
use crate::nameserver::{Guard, Served, Transport, View};
use crate::net::day::{Day, LOOK_EVERY_S};
use crate::net::http::Front;
use crate::net::{self, Certificate, DnsService, RunningDns};
use crate::primary::{self, Primary, Switch};
use crate::registry::audit::seed::Beacon;
use crate::telemetry::Metrics;
use crate::wire::Name;
use crate::zone::{Loader, NumberZone, StaticZone, Ttls};

/// Everything that runs. Dropping it without [`Instance::stop`] leaves the ledger to its crash safety.
pub(crate) struct Instance {
    /// The only door to change.
    pub(crate) authority: Authority,
    /// Where DNS is answered.
    pub(crate) dns: Vec<SocketAddr>,
    /// Where it is answered over the encrypted transports.
    pub(crate) encrypted: Vec<(Transport, SocketAddr)>,
    /// Where the API is served.
    pub(crate) http: SocketAddr,
    /// Where it is served over TLS.
    pub(crate) https: Vec<SocketAddr>,
    /// The console, if there is one.
    pub(crate) console: Option<Arc<http::Console>>,
    running: authority::Running,
    sending: authority::Sending,
    service: RunningDns,
    keeper: Keeper,
    statics: primary::Running,
    delegating: Delegating,
    depositing: Depositing,
    reloading: Reloading,
    stop: watch::Sender<bool>,
    told_to_stop: StopSignal,
    api: JoinHandle<std::io::Result<()>>,
    runtime: Runtime,
}

impl Instance {
    /// Starts everything, in the order of trust: facts first, then DNS, then the API. Returns once all of it answers.
    /// `dir` is the installation's, where the anchor files lie.
    pub(crate) fn start(dir: &Path, config: &Config) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let told_to_stop = StopSignal::listen(&runtime)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let policy = charter_folder(config)?;
        let trust = trusted(config, &policy, &clock)?;
        let primary = Primary::open(config, clock.now_s())?;
        // Without it another service runs: then the ledger says so.
        let right = Right::wait(config)?;
        let Opened { authority, zone, service, keys } = open(config, policy, &primary, &clock)?;
        authority.keep_trust(trust);
        let statics = primary.start(Arc::clone(&keys.view), Arc::clone(&clock));
        let shown = Arc::new(Shown::new(zone, Arc::clone(&keys.view)));
        audits_by(config, &authority)?;
        authority.show_in(Arc::clone(&shown) as Arc<dyn authority::View>);
        let right =
            right.ok_or_else(|| Failure::new("a command that changes delegations hangs: end it, then start again"))?;
        let (zone_name, view) = (shown.apex(), Arc::clone(&keys.view));
        let delegating = Delegating::start(config, &authority, &shown, right)?;
        let limits = Arc::new(limits(config)?);
        let reloading = Reloading::start(dir, config, Arc::clone(&keys.view), Arc::clone(&limits))?;
        listen_for_reload(&runtime, [statics.switch(), delegating.switch(), reloading.switch()])?;
        let mut keeps = statics_kept(config, &keys.view, &statics)?;
        keeps.push(numbers_kept(config, dir, shown.apex(), keys));
        let keeper = Keeper::start(keeps, Arc::clone(&clock), runtime.handle().clone())?;
        let running = authority.start(shown)?;
        let depositing = Depositing::start(dir, config, &authority, &clock)?;
        let sending = authority.send_webhooks(courier(config)?)?;
        let listener = net::http::bind(config.http.listen)?;
        let http = listener.local_addr()?;
        let (mut fronts, https) = secure_fronts(config, &runtime)?;
        fronts.push(Front::plain(listener));
        let (dns, encrypted) = (service.addresses().to_vec(), service.encrypted().to_vec());
        let probe = dns.first().copied();
        let console = console::open(config, http.port(), day_of(&runtime, &service, &clock))?;
        let apex = config.apex.clone();
        let zone = apex::told(config, zone_name, view);
        let api = Api {
            authority: authority.clone(),
            clock: Arc::clone(&clock),
            random: Arc::new(SystemRandom::new()),
            metrics: counted(config, &authority, &service, clock),
            dns_probe: Arc::new(move || dns_check(probe, &apex)),
            apex: config.apex.clone(),
            zone,
            limits,
            console: console.clone(),
        };
        let (stop, stopped) = watch::channel(false);
        let api = runtime.spawn(net::http::serve(fronts, http::router(api), stopped));
        Ok(Self {
            authority,
            dns,
            encrypted,
            http,
            https,
            console,
            running,
            sending,
            service,
            keeper,
            statics,
            delegating,
            depositing,
            reloading,
            stop,
            told_to_stop,
            api,
            runtime,
        })
    }

    /// The runtime, for waiting on signals and for asynchronous calls.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Returns when the process is told to stop (interrupt or terminate).
    pub(crate) fn wait_for_stop(&mut self) {
        self.told_to_stop.wait(&self.runtime);
    }

    /// Stops in reverse order: no new work, then the epoch under way ends, DNS last.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        let _ = self.stop.send(true);
        let _ended = self.runtime.block_on(self.api);
        drop(self.reloading);
        drop(self.depositing);
        drop(self.delegating);
        drop(self.sending);
        self.running.stop();
        drop(self.keeper);
        self.statics.stop();
        self.service.stop();
        Ok(())
    }
}

/// The sockets of the API over TLS, and where they are.
fn secure_fronts(config: &Config, runtime: &Runtime) -> Result<(Vec<Front>, Vec<SocketAddr>), Failure> {
    if config.http.tls_listen.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let certificate = Arc::new(Certificate::load(&config.http.tls_cert, &config.http.tls_key)?);
    let tls = net::mutual::config(&certificate)?;
    runtime.spawn(certificate.keep_fresh());
    let (mut fronts, mut addresses) = (Vec::new(), Vec::new());
    for address in &config.http.tls_listen {
        let listener = net::http::bind(*address)?;
        addresses.push(listener.local_addr()?);
        fronts.push(Front::tls(listener, tls.clone()));
    }
    Ok((fronts, addresses))
}

/// What is open and answers.
struct Opened {
    authority: Authority,
    zone: Arc<NumberZone>,
    service: RunningDns,
    keys: Keys,
}

/// The keys, and where new ones go.
struct Keys {
    keeping: Keeping,
    view: Arc<ArcSwap<View>>,
    served: Arc<ZoneKeys>,
}

/// Opens the authority and starts DNS: at once from the image of what was served before, if there is one that fits, and
/// then everything is read and compared; else after that.
fn open(config: &Config, folder: Policy, primary: &Primary, clock: &Arc<dyn Clock>) -> Result<Opened, Failure> {
    let opening = Opening::begin(init::settings(config))?;
    let policy = opening.charter(clock.now_ms())?.unwrap_or_else(|| folder.clone());
    let (ttls, parts) = (ttls(&policy), zone_parts(config, &policy)?);
    let served = Arc::new(parts.keys);
    let view = Arc::new(ArcSwap::from_pointee(View::default()));
    let keys = Keys { keeping: parts.keeping, view: Arc::clone(&view), served: Arc::clone(&served) };
    let guard = guard(config)?;
    let answer_from = |zone: &Arc<NumberZone>| {
        let first = View::new(vec![Served::numbers(Arc::clone(zone), Some(served))]).guarded(guard);
        let first = first.named(config.dns.nsid.as_bytes()).keeping(config.dns.tcp_idle_s);
        let first = first.answering_rare(Rare::new(config.dns.version.as_bytes(), config.dns.identity.as_bytes()));
        view.store(Arc::new(primary.shown_by(first)));
        DnsService::start(view, &config.dns, Arc::clone(clock))
    };
    let Some(early) = opening.early()? else {
        let mut loader = Loader::default();
        let authority = Authority::finish(opening, folder, Arc::clone(clock), |data| loader.push(&data))?;
        let zone = Arc::new(loader.finish(parts.fixed, ttls, authority.serial())?);
        let service = answer_from(&zone)?;
        return Ok(Opened { authority, zone, service, keys });
    };
    let zone = Arc::new(early.loader.finish(parts.fixed, ttls, early.serial)?);
    zone.apply(&early.changes, early.serial)?;
    let service = answer_from(&zone)?;
    let mut compared = Comparison::default();
    let authority = Authority::finish(opening, folder, Arc::clone(clock), |data| compared.number(&zone, &data))?;
    if !compared.agrees(&zone) {
        authority::discard_image(&config.paths.data)?;
        let why = "what was kept for a fast start is not what the ledger says. It was deleted: start again";
        return Err(Failure::new(why.to_owned()));
    }
    zone.apply(&[], authority.serial())?;
    Ok(Opened { authority, zone, service, keys })
}

/// The number zone's keys, with whom they are kept.
fn numbers_kept(config: &Config, dir: &Path, apex: Name, keys: Keys) -> Keep {
    let (shown, dir) = (Arc::clone(&keys.view), dir.to_owned());
    Keep {
        keeping: keys.keeping,
        keys: keys.served,
        apex,
        parent: config.dnssec.parent.clone(),
        view: keys.view,
        serve: Box::new(move |keys| keeper::serve_number_zone(&shown, &dir, &apex, keys)),
    }
}

/// The same of each static zone that is signed: new keys sign a new version of it.
fn statics_kept(config: &Config, view: &Arc<ArcSwap<View>>, statics: &primary::Running) -> Result<Vec<Keep>, Failure> {
    let mut keeps = Vec::new();
    for zone in config.zone.iter().filter(|zone| zone.sign) {
        let apex = Name::from_text(&zone.name).map_err(|e| Failure::new(format!("{}: {e}", zone.name)))?;
        let Some(keys) = view.load().zone(&apex).and_then(|served| served.keys.clone()) else { continue };
        let switch = statics.other_keys();
        keeps.push(Keep {
            keeping: keeper::keeping(config, &apex),
            keys,
            apex,
            parent: zone.parent.clone(),
            view: Arc::clone(view),
            serve: Box::new(move |_| switch.set()),
        });
    }
    Ok(keeps)
}

/// From now on a hang-up signal has zone files and the configuration read again.
fn listen_for_reload(runtime: &Runtime, switches: [Switch; 3]) -> Result<(), Failure> {
    let _inside = runtime.enter();
    let mut hangup = signal(SignalKind::hangup())?;
    runtime.spawn(async move {
        while hangup.recv().await.is_some() {
            switches.iter().for_each(Switch::set);
        }
    });
    Ok(())
}

/// The guard that the configuration asks for.
fn guard(config: &Config) -> Result<Arc<Guard>, Failure> {
    let secrets = read_cookie_secrets(&config.dns.cookie_secrets)?;
    Ok(Arc::new(Guard::new(config.limits.clone(), secrets, &SystemRandom::new())?))
}

/// The trust repository, which must be sound and have the charter in force, if there is one.
fn trusted(config: &Config, folder: &Policy, clock: &Arc<dyn Clock>) -> Result<TrustStore, Failure> {
    let trust = TrustStore::at(&config.paths.charter);
    if trust.exists() {
        let charter = authority::charter_at_start(&init::settings(config), folder, clock.now_ms())?;
        authority::check_start(&trust, &charter, clock.now_s())?;
    }
    Ok(trust)
}

/// The name server's last day, looked at for as long as the runtime is there.
fn day_of(runtime: &Runtime, service: &RunningDns, clock: &Arc<dyn Clock>) -> Arc<Day> {
    let day = Arc::new(Day::new(service.counters(), Arc::clone(clock)));
    let looks = Arc::clone(&day);
    runtime.spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(LOOK_EVERY_S));
        loop {
            every.tick().await;
            looks.look();
        }
    });
    day
}

/// What is counted, by whoever counts it.
fn counted(config: &Config, authority: &Authority, service: &RunningDns, clock: Arc<dyn Clock>) -> Metrics {
    Metrics::new(vec![
        Box::new(Standing::new(config, authority, Arc::clone(&clock))),
        Box::new(net::counted::Counted::new(service.counters(), clock)),
        Box::new(net::counted::Connections::new(service.connections())),
    ])
}

/// The beacon of draws and who sends codes, as the configuration says.
fn audits_by(config: &Config, authority: &Authority) -> Result<(), Failure> {
    let audit = &config.audit;
    if !audit.beacon_chain.is_empty() {
        let (chain, genesis_s, period_s) = (audit.beacon_chain.clone(), audit.beacon_genesis_s, audit.beacon_period_s);
        authority.use_beacon(Beacon { chain, genesis_s, period_s });
    }
    if !audit.sender.is_empty() {
        let secret = match audit.sender_secret_file.as_os_str().is_empty() {
            true => Zeroizing::default(),
            false => Zeroizing::new(read_token(&audit.sender_secret_file)?),
        };
        authority.send_codes_by(sender_at(&audit.sender, secret, courier(config)?)?);
    }
    Ok(())
}

/// Who carries webhooks to their endpoints.
fn courier(config: &Config) -> Result<Courier, Failure> {
    if config.webhooks.loopback {
        tracing::warn!(
            "webhooks.loopback is set: webhooks may go to this machine, also without TLS. For development and tests only"
        );
    }
    Courier::new(&config.webhooks).map_err(|error| {
        let file = config.webhooks.ca_file.display();
        Failure::new(format!("webhooks.ca_file {file}: {error}. Certificates of authorities in PEM are needed"))
    })
}

/// How often somebody may ask the API.
fn limits(config: &Config) -> Result<http::Limits, Failure> {
    let mut secret = [0; 16];
    Random::fill(&SystemRandom::new(), &mut secret)?;
    Ok(http::Limits::new(config.http.clone(), secret))
}

/// Being told to stop (interrupt or terminate). Listened for before anything says that it is ready: from then on a signal
/// ends the service in good order.
pub(crate) struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// From now on the signals do not end the process by themselves.
    pub(crate) fn listen(runtime: &Runtime) -> Result<Self, Failure> {
        let _inside = runtime.enter();
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for so long; whether one of them came meanwhile, or before.
    pub(crate) fn within(&mut self, runtime: &Runtime, pause: Duration) -> bool {
        runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => true,
                _ = self.terminate.recv() => true,
                () = tokio::time::sleep(pause) => false,
            }
        })
    }

    /// Returns when one of them came, perhaps before.
    pub(crate) fn wait(&mut self, runtime: &Runtime) {
        runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
        });
    }

    /// Whether one of them came, perhaps before, until that time is over.
    pub(crate) fn wait_for(&mut self, runtime: &Runtime, patience: Duration) -> bool {
        runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => true,
                _ = self.terminate.recv() => true,
                () = tokio::time::sleep(patience) => false,
            }
        })
    }
}

/// The TTLs that the charter sets.
pub(crate) fn ttls(policy: &Policy) -> Ttls {
    // The charter bounds both far below 2^32.
    Ttls { positive_s: policy.ttl_positive_s as u32, negative_s: policy.ttl_negative_s as u32 }
}

/// What a number zone is made of beside its numbers.
pub(crate) struct ZoneParts {
    /// The static part, from the master file.
    pub(crate) fixed: StaticZone,
    /// The keys that sign it.
    pub(crate) keys: ZoneKeys,
    /// Where they lie, and what becomes of them.
    pub(crate) keeping: Keeping,
}

/// Reads the static part of the number zone, delegated blocks among it, and the keys that sign it.
pub(crate) fn zone_parts(config: &Config, policy: &Policy) -> Result<ZoneParts, Failure> {
    let fixed = delegations::fixed(config, policy, &delegations::read(config)?)?;
    let apex = *fixed.apex();
    let mut keeping = keeper::keeping(config, &apex);
    let (_, keys) = keeping.load(SystemClock.now_s())?;
    Ok(ZoneParts { fixed, keys, keeping })
}

/// The algorithm that a zone's first keys are made of.
pub(crate) fn algorithm(config: &Config) -> Result<Algorithm, Failure> {
    Algorithm::try_from(config.dnssec.algorithm).map_err(|e| Failure::new(format!("dnssec.algorithm: {e}")))
}

/// The charter that lies in the folder: in force as soon as it is announced, or at once where nobody relies on another yet.
pub(crate) fn charter_folder(config: &Config) -> Result<Policy, Failure> {
    let read = |name: &str| {
        let path = config.paths.charter.join(name);
        std::fs::read_to_string(&path).map_err(|e| {
            Failure::new(format!(
                "cannot read {}: {e}. Restore it, or take the one from the documentation",
                path.display()
            ))
        })
    };
    let (prose, text) = (read("charter.md")?, read("policy.toml")?);
    match Policy::parse(&text) {
        Ok(policy) => Ok(policy.beside(prose)),
        Err(mistakes) => {
            let lines: Vec<String> = mistakes.iter().map(|m| format!("  {m}")).collect();
            let path = config.paths.charter.join("policy.toml");
            Err(Failure::new(format!("{}:\n{}", path.display(), lines.join("\n"))))
        }
    }
}

/// The charter that is in force, also while the service runs.
pub(crate) fn charter_in_force(config: &Config) -> Result<Policy, Failure> {
    let folder = charter_folder(config)?;
    Ok(authority::charter_in_force(&config.paths.data, SystemClock.now_ms())?.unwrap_or(folder))
}

/// Asks our own name server for the signed SOA, as anybody would.
fn dns_check(address: Option<SocketAddr>, apex: &str) -> Check {
    let answer =
        address.ok_or_else(|| "no address".to_owned()).and_then(|address| net::probe::signed_soa(address, apex));
    let (ok, detail) = match answer {
        Ok(()) => (true, "gives a signed answer".to_owned()),
        Err(why) => (false, why),
    };
    Check { name: "dns".to_owned(), ok, detail }
}
