//! Keys in a PKCS#11 token, SoftHSM2: a life of years, real installations, and every way in which it goes wrong.
//!
//! The library reads where its tokens lie once in a process. So what needs it runs in processes of its own: the real program,
//! or the one test of this binary that is asked for by name.

mod life;
mod program;
mod refused;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use callbook::config::{Dnssec, Pkcs11, TokenHolds};
use callbook::seal::Pin;
use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use tempfile::TempDir;

use crate::peers;

const LABEL: &str = "callbook test";
const PIN: &str = "98765";
const OFFICER: &str = "12345678";
/// Where Debian and others put the library.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];
/// Tells a process that it runs one test, and where its token is.
const HOME: &str = "CALLBOOK_TEST_TOKEN";

/// A folder with a token in it, and a file with its PIN.
struct Token {
    home: TempDir,
    module: PathBuf,
}

impl Token {
    /// None, and the test shall return, if SoftHSM2 is not there.
    fn new() -> Option<Self> {
        let util = peers::program("softhsm2-util")?;
        let Some(module) = MODULES.into_iter().map(PathBuf::from).find(|path| path.exists()) else {
            peers::skipped("libsofthsm2.so is not installed");
            return None;
        };
        let token = Self { home: tempfile::tempdir().unwrap(), module };
        fs::create_dir(token.home.path().join("tokens")).unwrap();
        let settings = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            token.home.path().join("tokens").display()
        );
        fs::write(token.settings(), settings).unwrap();
        token.label(&util, LABEL);
        token.write("pin", &format!("{PIN}\n"));
        Some(token)
    }

    /// One more token, of this label.
    fn label(&self, util: &Path, label: &str) {
        let init = ["--init-token", "--free", "--label", label, "--so-pin", OFFICER, "--pin", PIN];
        let made = Command::new(util).args(init).env("SOFTHSM2_CONF", self.settings()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn settings(&self) -> PathBuf {
        self.home.path().join("softhsm2.conf")
    }

    /// Writes a file that its owner alone may read, and another one than was there.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, partial) = (self.home.path().join(name), self.home.path().join("partial"));
        fs::write(&partial, text).unwrap();
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&partial, &path).unwrap();
        path
    }
}

/// Runs the test that calls it in a process of its own with a token of its own; there it gets the token's folder. Elsewhere
/// it gets nothing, once that process is through.
fn own_process(test: &str) -> Option<Inside> {
    if let Some(home) = env::var_os(HOME) {
        let module = env::var_os("CALLBOOK_TEST_MODULE").expect("set below");
        return Some(Inside { home: home.into(), module: module.into() });
    }
    let token = Token::new()?;
    let name = format!("token::{test}");
    let out = Command::new(env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(HOME, token.home.path())
        .env("CALLBOOK_TEST_MODULE", &token.module)
        .env("SOFTHSM2_CONF", token.settings())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{}: {said}", out.status);
    assert!(said.contains("1 passed"), "there is no test {name}: {said}");
    None
}

/// What a test in its own process has.
struct Inside {
    home: PathBuf,
    module: PathBuf,
}

impl Inside {
    /// A configuration with the token.
    fn dnssec(&self, holds: TokenHolds) -> Dnssec {
        let pin_file = Pin::of(self.home.join("pin").to_str().unwrap());
        let pkcs11 = Pkcs11 { module: self.module.clone(), token: LABEL.to_owned(), pin_file, holds };
        Dnssec { pkcs11, ..Dnssec::default() }
    }

    fn pin(&self, pin: &str) {
        let path = self.home.join("pin");
        let _ = fs::remove_file(&path);
        fs::write(&path, pin).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The library, as somebody else in this process has it.
    fn library(&self) -> cryptoki::context::Pkcs11 {
        let library = cryptoki::context::Pkcs11::new(&self.module).unwrap();
        let _perhaps_already = library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        library
    }

    /// A session that may change objects, logged in with this PIN or already.
    fn session(&self, pin: &str) -> Session {
        let library = self.library();
        let slot = *library
            .get_slots_with_token()
            .unwrap()
            .iter()
            .find(|slot| library.get_token_info(**slot).unwrap().label() == LABEL)
            .expect("the token is there");
        let session = library.open_rw_session(slot).unwrap();
        let _perhaps_already = session.login(UserType::User, Some(&AuthPin::new(pin.into())));
        session
    }
}
