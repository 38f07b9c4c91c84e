//! The place of a client: the usual one, the configuration file, the network that is installed, and
//! homes that are refused or not made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::signing::SigningKey;

use super::desk::{Desk, code, errors, write_network};
use super::program;
use super::world::network_files;

/// The command of a user whose home directory is `user` on the desk.
fn user(desk: &Desk, arguments: &[&str]) -> Command {
    let mut command = program();
    command.env("HOME", desk.path("user")).current_dir(desk.path("")).args(arguments);
    command
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

/// A desk whose client is in the usual place of its user.
fn usual(test: &str) -> Desk {
    let desk = Desk::new(test, &[]);
    fs::create_dir_all(desk.path("user/.local/share")).unwrap();
    fs::rename(desk.path("alice"), desk.path("user/.local/share/rohrpost")).unwrap();
    desk
}

fn configure(desk: &Desk, text: &str) {
    fs::create_dir_all(desk.path("user/.config/rohrpost")).unwrap();
    fs::write(desk.path("user/.config/rohrpost/config.toml"), text).unwrap();
}

#[test]
fn in_the_usual_place_no_command_needs_an_option() {
    let desk = usual("usual");
    let installed = run(user(&desk, &["network", "install", "network"]));
    assert_eq!(code(&installed), 0, "{}", errors(&installed));
    configure(&desk, "passphrase_file = \"../../../passphrase\"\n");
    let contacts = run(user(&desk, &["contacts"]));
    assert_eq!(code(&contacts), 0, "{}", errors(&contacts));
    assert!(contacts.stdout.starts_with(b"bob"));
    let shown = run(user(&desk, &["network", "show"]));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("network store") && shown.contains("share/rohrpost/network"), "{shown}");
}

#[test]
fn the_xdg_directories_count_where_they_are_absolute() {
    let desk = usual("xdg");
    fs::create_dir_all(desk.path("conf/rohrpost")).unwrap();
    let file = "home = \"~/.local/share/rohrpost\"\nnetwork = \"../../network\"\n\
                passphrase_file = \"../../passphrase\"\n";
    fs::write(desk.path("conf/rohrpost/config.toml"), file).unwrap();
    let with = |variable: &str, value: &Path| {
        let mut command = user(&desk, &["contacts"]);
        command.env("XDG_CONFIG_HOME", desk.path("conf")).env(variable, value);
        code(&run(command))
    };
    assert_eq!(with("UNRELATED", Path::new("x")), 0);
    // The file's home goes before that of the system.
    assert_eq!(with("XDG_DATA_HOME", &desk.path("nowhere")), 0);
    assert_eq!(with("XDG_CONFIG_HOME", Path::new("conf")), 64, "what is relative does not count");
    fs::write(desk.path("conf/rohrpost/config.toml"), file.replace("home =", "# home =")).unwrap();
    assert_eq!(with("XDG_DATA_HOME", &desk.path("user/.local/share")), 0);
    assert_eq!(with("XDG_DATA_HOME", &desk.path("nowhere")), 66);
}

#[test]
fn options_go_before_the_environment_and_that_before_the_file() {
    let desk = usual("before");
    configure(
        &desk,
        "home = \"/nonexistent/file\"\nnetwork = \"../../../network\"\nkey_file = \"none.key\"\n",
    );
    let at = |variable: Option<&str>, option: Option<&str>| {
        let mut command = user(&desk, &["contacts"]);
        command.env("ROHRPOST_PASSPHRASE_FILE", desk.path("passphrase"));
        if let Some(home) = variable {
            command.env("ROHRPOST_HOME", home);
        }
        if let Some(home) = option {
            command.arg("--home").arg(home);
        }
        run(command)
    };
    let home = desk.path("user/.local/share/rohrpost");
    let home = home.to_str().unwrap();
    assert!(errors(&at(None, None)).contains("/nonexistent/file"));
    assert!(errors(&at(Some("/nonexistent/env"), None)).contains("/nonexistent/env"));
    assert!(errors(&at(Some(home), Some("/nonexistent/flag"))).contains("/nonexistent/flag"));
    assert_eq!(code(&at(Some(home), None)), 0);
    let given = at(Some("/nonexistent/env"), Some(home));
    assert_eq!(code(&given), 0, "{}", errors(&given));
}

#[test]
fn a_wrong_configuration_file_is_told_with_file_line_and_remedy() {
    let desk = usual("wrong");
    configure(&desk, "\nhom = \"/x\"\n");
    let output = run(user(&desk, &["contacts"]));
    assert_eq!(code(&output), 78, "{}", errors(&output));
    for words in [".config/rohrpost/config.toml", "line 2", "`hom`", "`passphrase_file`"] {
        assert!(errors(&output).contains(words), "{}", errors(&output));
    }
    assert_eq!(code(&run(user(&desk, &["completions", "bash"]))), 0, "which needs no place");
}

#[test]
fn a_network_comes_from_a_directory_or_its_files_and_is_checked() {
    let desk = usual("install");
    let install = |from: &[&str]| run(user(&desk, &[&["network", "install"], from].concat()));
    let files = ["network/roster.toml", "network/trust.toml", "network/roster.sig"];
    assert_eq!(code(&install(&files[..2])), 64);
    assert!(errors(&install(&files[..2])).contains("roster.sig is missing"));
    assert_eq!(code(&install(&["passphrase", files[0], files[1]])), 64);
    assert_eq!(code(&install(&files)), 0);
    let installed = desk.path("user/.local/share/rohrpost/network");
    let version = || {
        let shown = run(user(&desk, &["--json", "network", "show"])).stdout;
        let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
        shown["network"]["version"].as_u64().unwrap()
    };
    assert_eq!(version(), 1);
    roster_of(&desk, "newer", 3, DATES[0]);
    roster_of(&desk, "older", 2, DATES[0]);
    assert_eq!(code(&install(&["newer"])), 0);
    let older = install(&["older"]);
    assert_eq!(code(&older), 78, "{}", errors(&older));
    assert!(errors(&older).contains("older than 3"), "{}", errors(&older));
    roster_of(&desk, "other", 3, DATES[1]);
    let other = install(&["other"]);
    assert_eq!(code(&other), 78, "{}", errors(&other));
    assert!(errors(&other).contains("two rosters of version 3"), "{}", errors(&other));
    roster_of(&desk, "expired", 3, DATES[2]);
    let current = installed.join("roster.toml");
    for file in ["roster.toml", "roster.sig"] {
        fs::copy(desk.path("expired").join(file), installed.join(file)).unwrap();
    }
    assert_eq!(code(&install(&["older"])), 78, "the installed one has expired, and is newer");
    assert!(fs::read_to_string(current).unwrap().contains(DATES[2]));
    for file in ["roster.toml", "roster.sig"] {
        fs::copy(desk.path("newer").join(file), installed.join(file)).unwrap();
    }
    assert_eq!(version(), 3);
    write_network(&desk.path("foreign"), "foreign");
    let foreign = install(&["foreign"]);
    assert_eq!(code(&foreign), 78, "{}", errors(&foreign));
    assert!(errors(&foreign).contains("--home"), "{}", errors(&foreign));
    fs::write(desk.path("newer/roster.sig"), "").unwrap();
    assert_eq!(code(&install(&["newer"])), 78);
    assert_eq!(version(), 3);
    let left = fs::read_dir(installed.parent().unwrap()).unwrap();
    let left = left.map(|one| one.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| !name.starts_with("store.vault")).collect();
    assert_eq!(left, ["network"], "nothing is left behind");
}

/// Days on which rosters expire: the last one is over.
const DATES: [&str; 3] = ["2030-01-01", "2030-01-02", "2020-01-01"];

/// Writes the files of the desk's network with a roster of this version and expiry.
fn roster_of(desk: &Desk, directory: &str, version: u32, expires: &str) {
    write_network(&desk.path(directory), "store");
    let (trust, text, _) = network_files("store");
    let text = text.replace("version = 1\n", &format!("version = {version}\n"));
    let text = text.replace(DATES[0], expires);
    let signatures = ["north", "south", "east", "west"].into_iter().zip(0..);
    let signatures: Vec<_> = signatures
        .map(|(name, seed)| Roster::sign(&text, &trust, name, &SigningKey::from_seed(&[seed; 32])))
        .collect();
    let signatures = rohrpost_proto::directory::roster::render_signatures(&signatures);
    fs::write(desk.path(directory).join("roster.toml"), text).unwrap();
    fs::write(desk.path(directory).join("roster.sig"), signatures).unwrap();
}

#[test]
fn a_network_that_is_refused_makes_no_home() {
    let desk = Desk::new("no-home", &[]);
    fs::write(desk.path("network/roster.sig"), "").unwrap();
    let output = run(user(&desk, &["network", "install", "network"]));
    assert_eq!(code(&output), 78, "{}", errors(&output));
    assert!(!desk.path("user").exists());
}

/// The network cannot be reached, so that the client is made and waits.
#[test]
fn a_new_client_installs_the_network_that_it_was_given() {
    let desk = Desk::new("given", &[]);
    let mut init = user(&desk, &["init", "--network", "network", "--key-file", "new.key"]);
    let mut init = init.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let home = desk.path("user/.local/share/rohrpost");
    while !home.join("network").exists() {
        assert!(init.try_wait().unwrap().is_none());
    }
    init.kill().unwrap();
    init.wait().unwrap();
    let contacts = run(user(&desk, &["contacts", "--key-file", "new.key"]));
    assert_eq!(code(&contacts), 0, "{}", errors(&contacts));
}

#[test]
fn a_home_that_others_can_enter_is_refused() {
    let desk = Desk::new("entered", &[]);
    for mode in [0o755, 0o710, 0o701] {
        fs::set_permissions(desk.path("alice"), fs::Permissions::from_mode(mode)).unwrap();
        let output = desk.run(&["contacts"]);
        assert_eq!(code(&output), 77, "{mode:o}: {}", errors(&output));
        assert!(errors(&output).contains("chmod 700"), "{}", errors(&output));
    }
    fs::set_permissions(desk.path("alice"), fs::Permissions::from_mode(0o700)).unwrap();
    desk.done(&["contacts"]);
}

#[test]
fn a_restore_that_fails_leaves_no_home_behind() {
    let desk = Desk::new("unmade", &[]);
    desk.done(&["backup", "saved"]);
    fs::write(desk.path("damaged"), &fs::read(desk.path("saved")).unwrap()[..5000]).unwrap();
    desk.write_secret("other", "wrong\n");
    let restore = |file: &str, passphrase: &str| {
        let mut command = program();
        command.current_dir(desk.path("")).args(["--network", "network", "--home", "a/b/c"]);
        run({
            command.args(["--passphrase-file", passphrase, "restore", file]);
            command
        })
    };
    for (file, passphrase) in
        [("nothing", "passphrase"), ("damaged", "passphrase"), ("saved", "other")]
    {
        let output = restore(file, passphrase);
        assert_ne!(code(&output), 0, "{file}");
        assert!(!desk.path("a").exists(), "{file}: {}", errors(&output));
    }
    let output = restore("saved", "passphrase");
    assert_eq!(code(&output), 0, "{}", errors(&output));
}
