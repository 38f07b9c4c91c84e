//! A card as a file and as a QR code, which a decoder reads back from what was drawn.

use std::fs;
use std::process::{Command, Stdio};

use rqrr::PreparedImage;

use super::desk::{Desk, code, errors};

/// Pixels of a module.
const SIDE: usize = 4;

/// Reads the code in a picture of modules; true is light.
fn decode(rows: &[Vec<bool>]) -> String {
    let (width, height) = (rows[0].len() * SIDE, rows.len() * SIDE);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let light = |x: usize, y: usize| if rows[y / SIDE][x / SIDE] { 255 } else { 0 };
    let mut image = PreparedImage::prepare_from_greyscale(width, height, light);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

/// The modules of lines of block letters, two in each; `ink` is the colour of a letter.
fn modules(lines: &str, ink: bool) -> Vec<Vec<bool>> {
    let half = |line: &str, inked: [char; 2]| {
        line.chars().map(|c| inked.contains(&c) == ink).collect::<Vec<bool>>()
    };
    lines.lines().flat_map(|line| [half(line, ['█', '▀']), half(line, ['█', '▄'])]).collect()
}

#[test]
fn a_code_that_is_drawn_can_be_read_and_added() {
    let desk = Desk::new("code", &[]);
    let drawn = desk.done(&["card", "--qr"]);
    let text = decode(&modules(&drawn, true));
    fs::write(desk.path("scanned"), &text).unwrap();
    desk.done(&["add", "me", "scanned"]);
    let words = desk.done(&["fingerprint"]);
    assert_eq!(desk.done(&["fingerprint", "me"]), words);
    let json: serde_json::Value =
        serde_json::from_str(&desk.done(&["--json", "card", "--qr"])).unwrap();
    assert!(json["code"].as_str().unwrap().starts_with("ROHRPOST:"));
    assert!(text.starts_with("ROHRPOST:"));
}

#[test]
fn a_card_is_written_to_a_new_file_as_text_or_picture() {
    let desk = Desk::new("file", &[]);
    desk.done(&["card", "-o", "my.card"]);
    desk.done(&["add", "me", "my.card"]);
    assert_eq!(code(&desk.run(&["card", "-o", "my.card"])), 73, "nothing is overwritten");
    desk.done(&["card", "--qr", "-o", "card.svg"]);
    let picture = fs::read_to_string(desk.path("card.svg")).unwrap();
    assert!(picture.contains("<svg"), "{}", &picture[..100]);
    assert_eq!(desk.done(&["card", "-o", "-"]), desk.done(&["card"]));
}

/// The terminal is one of the program `script`, of a width that `stty` gives it.
#[test]
fn a_terminal_shows_the_code_or_hears_that_it_is_too_narrow() {
    let desk = Desk::new("narrow", &[]);
    let card = desk.command(&["card", "--qr"]);
    let words: Vec<_> = [card.get_program()].into_iter().chain(card.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let at = |columns: usize| {
        let line = format!("stty cols {columns}; {}", words.join(" "));
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(desk.path(""));
        script.stdin(Stdio::null()).output().unwrap()
    };
    let narrow = at(80);
    let said = String::from_utf8_lossy(&narrow.stdout).into_owned();
    assert_eq!(code(&narrow), 64, "{said}{}", errors(&narrow));
    assert!(said.contains("this terminal has 80") && said.contains("card.svg"), "{said}");
    let needed: usize =
        said.split_once("needs ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(code(&at(needed - 1)), 64);
    let wide = String::from_utf8(at(needed).stdout).unwrap();
    let lines: Vec<_> = wide
        .lines()
        .filter_map(|line| line.strip_prefix("\u{1b}[30;107m"))
        .filter_map(|line| line.split_once('\u{1b}').map(|(line, _)| line))
        .collect();
    assert!(lines.iter().all(|line| line.chars().count() == needed));
    assert!(decode(&modules(&lines.join("\n"), false)).starts_with("ROHRPOST:"));
}
