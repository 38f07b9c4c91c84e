//! What the command reads: as much of it as may be, and from where people type.

use std::fs::File;

use super::desk::{Desk, code, errors};

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
    std::fs::remove_file(desk.path("passphrase")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", desk.path("passphrase")).unwrap();
    let output = desk.limited(LITTLE_MEMORY, &["contacts"]).output().unwrap();
    assert_eq!(code(&output), 65, "{}", errors(&output));
    assert!(errors(&output).contains("4096"), "{}", errors(&output));
}
