//! `serve`: runs the directory of an installation until it is told to stop.

use serde_json::json;

use crate::cli::InstallationArgs;
use crate::cli::instance::Instance;
use crate::cli::report::{Failure, Report, say};
use crate::config::Config;

pub(crate) fn run(args: &InstallationArgs, json: bool) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let mut instance = Instance::start(&config)?;
    let (dns, http) = (&instance.dns, instance.http);
    if json {
        say(&json!({"serving": config.apex, "dns": dns, "http": http}).to_string());
    } else {
        let dns: Vec<String> = dns.iter().map(ToString::to_string).collect();
        say(&format!("serving {} · DNS {} · API http://{http}/v1 · stop with Ctrl-C", config.apex, dns.join(", ")));
    }
    instance.wait_for_stop();
    instance.stop()?;
    Ok(Report::done("stopped", json!({"stopped": true})))
}
