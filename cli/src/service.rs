//! The daemon as a service of the user's systemd: it starts with the session, and again after a
//! failure that another start can mend.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::error::CommandError;
use crate::lock::Lock;
use crate::output::{Output, print, write};
use crate::place::{Place, base};

#[derive(clap::Subcommand)]
pub(crate) enum ServiceCommand {
    /// Install and start the service.
    ///
    /// It needs a key file or a passphrase file, as there is nobody to ask. It runs while you are
    /// logged in; `loginctl enable-linger` lets it run from the machine's start on.
    Install {
        /// Run this command for each message that arrives, as `daemon --exec` does.
        #[arg(long, value_name = "COMMAND")]
        exec: Option<String>,
    },
    /// Stop and remove the service; the client stays.
    Remove,
    /// Print the unit that is installed, or else the one that would be.
    Show,
}

pub(crate) fn run(
    place: &Place,
    command: ServiceCommand,
    output: &Output,
) -> Result<(), CommandError> {
    let file = unit_file()?;
    match command {
        ServiceCommand::Install { exec } => install(place, exec.as_deref(), &file, output),
        ServiceCommand::Remove => remove(&file, output),
        ServiceCommand::Show => match fs::read_to_string(&file) {
            Ok(text) => print(text.as_bytes()),
            Err(_) => print(unit(place, None)?.as_bytes()),
        },
    }
}

fn install(
    place: &Place,
    exec: Option<&str>,
    file: &Path,
    output: &Output,
) -> Result<(), CommandError> {
    let text = unit(place, exec)?;
    let failed = |source| CommandError::Output { path: file.to_owned(), source };
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => write(file, text.as_bytes())?,
    }
    let started = systemctl(&["daemon-reload"]) && systemctl(&["enable", "--now", UNIT]);
    let next = match started {
        true => "and started; `rohrpost status` shows how it is".to_owned(),
        false => format!(
            "but the user's systemd could not be told; run: systemctl --user daemon-reload && \
             systemctl --user enable --now {UNIT}"
        ),
    };
    let said = format!("the service is installed in {}, {next}", file.display());
    output.say(&json!({ "installed": file, "started": started }), &said)
}

fn remove(file: &Path, output: &Output) -> Result<(), CommandError> {
    let stopped = systemctl(&["disable", "--now", UNIT]);
    match fs::remove_file(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CommandError::Missing(format!(
                "there is no service in {}; `rohrpost service install` makes it",
                file.display()
            )));
        }
        Err(source) => return Err(CommandError::Output { path: file.to_owned(), source }),
        Ok(()) => {}
    }
    systemctl(&["daemon-reload"]);
    let next = if stopped { "" } else { "; if it runs still, end the daemon" };
    output.say(&json!({ "removed": file, "stopped": stopped }), &format!("removed{next}"))
}

/// The unit of a client's daemon.
fn unit(place: &Place, exec: Option<&str>) -> Result<String, CommandError> {
    let Lock { key_file, passphrase_file } = place.lock();
    let (option, secret) = match (key_file, passphrase_file) {
        (Some(path), _) => ("--key-file", path),
        (None, Some(path)) => ("--passphrase-file", path),
        (None, None) => {
            let why = "a service has nobody to ask for a passphrase: give --key-file FILE or \
                       --passphrase-file FILE, or name one in the configuration file";
            return Err(CommandError::Usage(why.to_owned()));
        }
    };
    let program = std::env::current_exe().map_err(CommandError::Runtime)?;
    let mut words = vec![
        path_word(&program)?,
        word("--home"),
        path_word(place.home())?,
        word(option),
        path_word(secret)?,
    ];
    if let Some(network) = place.given_network() {
        words.extend([word("--network"), path_word(network)?]);
    }
    words.push(word("daemon"));
    if let Some(command) = exec {
        words.extend([word("--exec"), word(command)]);
    }
    Ok(TEMPLATE.replace("{COMMAND}", &words.join(" ")))
}

/// A path as a word of a unit's command, whatever directory that starts in.
fn path_word(path: &Path) -> Result<String, CommandError> {
    let absolute = std::path::absolute(path).map_err(CommandError::Runtime)?;
    let text = absolute.to_str().filter(|text| !text.chars().any(char::is_control));
    text.map(word).ok_or_else(|| {
        let why = format!("{} cannot stand in a unit; give another path", absolute.display());
        CommandError::Usage(why)
    })
}

/// A word of a unit's command, quoted after systemd.service(5), "Command lines".
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.+:=@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Tells the user's systemd something; false if there is none, or it refuses.
fn systemctl(arguments: &[&str]) -> bool {
    let mut command = Command::new("systemctl");
    command.arg("--user").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn unit_file() -> Result<PathBuf, CommandError> {
    let base = base("XDG_CONFIG_HOME", ".config").ok_or(CommandError::NoHome)?;
    Ok(base.join("systemd/user").join(UNIT))
}

const UNIT: &str = "rohrpost.service";

/// The unit. The exit codes that another start does not mend are those of a wrong command line
/// (64), a missing client (66), a home that cannot be written (73), a wrong key (77) and wrong
/// configuration or network files (78). All restrictions work by filters of system calls, which a
/// user's systemd can set on every machine; those by namespaces fail where users may not make any.
const TEMPLATE: &str = "\
# Made by `rohrpost service install`; `rohrpost service remove` removes it.
[Unit]
Description=Rohrpost client: keeps the grid, sends and receives
Documentation=man:rohrpost(1)

[Service]
ExecStart={COMMAND}
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=64 66 73 76 77 78
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
";
