//! `serve`: runs the directory of an installation until it is told to stop.

use serde_json::json;

use crate::cli::InstallationArgs;
use crate::cli::instance::Instance;
use crate::cli::report::{Failure, Report, say};
use crate::config::Config;
use crate::nameserver::Transport;

pub(crate) fn run(args: &InstallationArgs, json: bool) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let mut instance = Instance::start(&args.dir, &config)?;
    let (dns, http) = (&instance.dns, instance.http);
    let console = instance.console.as_ref().map(|console| console.first_page());
    if json {
        let over = |transport| -> Vec<_> {
            instance.encrypted.iter().filter(|(of, _)| *of == transport).map(|(_, address)| address).collect()
        };
        let (tls, quic, https) = (over(Transport::Tls), over(Transport::Quic), over(Transport::Https));
        let facts = json!({"serving": config.apex, "dns": dns, "tls": tls, "quic": quic, "https": https, "http": http, "http_tls": instance.https, "console": console});
        say(&facts.to_string());
    } else {
        let dns: Vec<String> = dns.iter().map(ToString::to_string).collect();
        let console = console.map_or_else(String::new, |page| format!(" · console {page}"));
        say(&format!(
            "serving {} · DNS {} · API http://{http}/v1{console} · stop with Ctrl-C",
            config.apex,
            dns.join(", ")
        ));
    }
    instance.wait_for_stop();
    instance.stop()?;
    Ok(Report::done("stopped", json!({"stopped": true})))
}
