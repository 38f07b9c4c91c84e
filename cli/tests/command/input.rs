//! What the command reads: as much of it as may be, and from where people type.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::desk::{Desk, code, errors};
use super::program;

/// Kilobytes of address space, of which the command takes the most for the stacks of its threads.
const LITTLE_MEMORY: &str = "ulimit -v 700000";

#[test]
fn input_that_never_ends_is_refused_with_the_limit() {
    let desk = Desk::new("endless", &[]);
    File::create(desk.path("big")).unwrap().set_len(2 << 30).unwrap();
    let lines: [(&[&str], &str); 5] = [
        (&["send", "bob", "--queue", "--file", "big"], "16777213"),
        (&["send", "bob", "--queue", "--file", "/dev/zero"], "16777213"),
        (&["send", "bob", "--queue"], "16777213"),
        (&["add", "x", "big"], "1048576"),
        (&["add", "x", "-"], "1048576"),
    ];
    for (arguments, limit) in lines {
        let endless = File::open("/dev/zero").unwrap();
        let output = desk.limited(LITTLE_MEMORY, arguments).stdin(endless).output().unwrap();
        assert_eq!(code(&output), 65, "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(limit), "{arguments:?}: {}", errors(&output));
    }
    let roster = File::options().write(true).open(desk.path("network/roster.toml")).unwrap();
    let length = roster.metadata().unwrap().len();
    roster.set_len(2 << 30).unwrap();
    let output = desk.limited(LITTLE_MEMORY, &["contacts"]).output().unwrap();
    assert_eq!(code(&output), 78, "{}", errors(&output));
    assert!(errors(&output).contains("16777216"), "{}", errors(&output));
    roster.set_len(length).unwrap();
    let passphrase = File::options().write(true).open(desk.path("passphrase")).unwrap();
    passphrase.set_len(2 << 30).unwrap();
    let output = desk.limited(LITTLE_MEMORY, &["contacts"]).output().unwrap();
    assert_eq!(code(&output), 65, "{}", errors(&output));
    assert!(errors(&output).contains("4096"), "{}", errors(&output));
}

#[test]
fn a_passphrase_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new("exposed", &[]);
    for mode in [0o644, 0o666, 0o604] {
        let open = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(desk.path("passphrase"), open).unwrap();
        let output = desk.run(&["contacts"]);
        assert_eq!(code(&output), 77, "{}", errors(&output));
        assert!(errors(&output).contains("chmod 600"), "{}", errors(&output));
    }
}

/// The terminal is one of the program `script`, to which the test types.
#[test]
fn the_passphrase_is_asked_for_on_the_terminal_while_a_text_comes_from_elsewhere() {
    let desk = Desk::new("terminal", &[]);
    let command = desk.command(&["send", "--queue", "bob"]);
    let mut words = vec![command.get_program()];
    let mut given = command.get_args();
    while let Some(word) = given.next() {
        if word == "--passphrase-file" {
            given.next();
        } else {
            words.push(word);
        }
    }
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let line = format!("echo hello | {}", words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(desk.path(""));
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = script.spawn().unwrap();
    let mut out = BufReader::new(script.stdout.take().unwrap());
    let mut asked = Vec::new();
    out.read_until(b':', &mut asked).unwrap();
    assert!(asked.ends_with(b"passphrase:"), "{}", String::from_utf8_lossy(&asked));
    script.stdin.take().unwrap().write_all(b"right\n").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(script.wait().unwrap().success(), "{rest}");
    let status: Value =
        serde_json::from_slice(&desk.run(&["--json", "status", "--offline"]).stdout).unwrap();
    assert_eq!(status["status"]["messages"][0]["bytes"], 6);
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let desk = Desk::new("nobody", &[]);
    let network = desk.path("network");
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(program().get_program()).arg("--network").arg(network);
    command.arg("--home").arg(desk.path("alice")).arg("contacts");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 77, "{}", errors(&output));
    assert!(errors(&output).contains("--passphrase-file"), "{}", errors(&output));
}

/// Alice adds herself, which is nothing else than adding anybody.
#[test]
fn a_card_is_added_from_a_mail() {
    let desk = Desk::new("mail", &[]);
    let card = desk.done(&["card"]);
    let quoted: String = card.lines().map(|line| format!("> {line}\n")).collect();
    let printable = card.replace('=', "=3D").replace('A', "=\r\nA");
    let html = card.replace('\n', "<br>\n");
    let wide: Vec<u8> = card.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let dashes = card.replace("-----", "\u{2014}\u{2014}-");
    let mails = [
        quoted.into_bytes(),
        printable.into_bytes(),
        html.into_bytes(),
        [&[0xff, 0xfe], &wide[..]].concat(),
        dashes.into_bytes(),
    ];
    for mail in mails {
        std::fs::write(desk.path("mail"), &mail).unwrap();
        desk.done(&["add", "x", "mail"]);
        desk.done(&["remove", "x"]);
    }
}
