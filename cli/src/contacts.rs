//! Cards, fingerprints, contacts.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use rohrpost_client::api::{Request, Response};
use rohrpost_client::{card_code, card_text};
use serde_json::json;

use crate::access::{Access, Reach};
use crate::error::CommandError;
use crate::input::read_input;
use crate::output::{Output, print, width, write};
use crate::place::Place;
use crate::qr::Picture;

#[derive(clap::Args)]
pub(crate) struct CardOptions {
    /// Draw the card as a QR code. What reads it gives a text that `add` takes, as in
    /// `zbarimg -q --raw PICTURE | rohrpost add NAME -`.
    #[arg(long)]
    qr: bool,
    /// Write to this new file; with --qr a picture in SVG.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn card(
    place: &Place,
    options: CardOptions,
    output: &Output,
) -> Result<(), CommandError> {
    let Response::Card(card) = ask(place, Request::Card {}).await? else {
        return Err(CommandError::Unexpected);
    };
    let CardOptions { qr, output: to } = options;
    let code = if qr { Some(card_code(&card)?) } else { None };
    let picture = code.as_deref().map(Picture::of).transpose()?;
    let mut value = json!({ "card": card });
    if let Some(code) = &code {
        value["code"] = json!(code);
    }
    match (to, picture) {
        (Some(path), picture) => {
            let text = picture.map_or(card, |picture| picture.svg());
            write(&path, text.as_bytes())?;
            if path == Path::new("-") {
                return Ok(());
            }
            value["saved"] = json!(path);
            let text = format!("written to {}; it holds for six days", path.display());
            output.say(&value, &text)
        }
        (None, Some(picture)) if !output.is_json() => draw(&picture),
        (None, _) => output.say(&value, card.trim_end()),
    }
}

/// Draws a code where it is seen: in colours of its own on a terminal, if it fits there.
fn draw(picture: &Picture) -> Result<(), CommandError> {
    let Some(columns) = width() else {
        return print(picture.plain().as_bytes());
    };
    let needed = picture.columns();
    if columns < needed {
        return Err(CommandError::Usage(format!(
            "the code needs {needed} columns, and this terminal has {columns}: make its window \
             wider or its letters smaller, or write a picture with `rohrpost card --qr -o card.svg`"
        )));
    }
    print(picture.coloured().as_bytes())
}

pub(crate) async fn fingerprint(
    place: &Place,
    contact: Option<String>,
    output: &Output,
) -> Result<(), CommandError> {
    let Response::Fingerprint(words) = ask(place, Request::Fingerprint { contact }).await? else {
        return Err(CommandError::Unexpected);
    };
    output.say(&json!({ "fingerprint": words }), &words)
}

pub(crate) async fn add(
    place: &Place,
    name: String,
    card: &Path,
    reuse_name: bool,
    output: &Output,
) -> Result<(), CommandError> {
    let card = card_text(&read_input(card, "a card with its mail", CARD_LIMIT)?);
    let answer = Access::within(place, Reach::Offline, async |access| {
        access.ask(Request::Add { name: name.clone(), card, reuse_name }).await?;
        access.ask(Request::Fingerprint { contact: Some(name.clone()) }).await
    });
    let Response::Fingerprint(words) = answer.await? else {
        return Err(CommandError::Unexpected);
    };
    let text = format!(
        "{name} is a contact, reached as its card says; let {name} read you these words by voice, then run `rohrpost verify \
         {name}`:\n  {words}"
    );
    output.say(&json!({ "added": name, "fingerprint": words }), &text)
}

pub(crate) async fn verify(
    place: &Place,
    name: String,
    words: &[String],
    output: &Output,
) -> Result<(), CommandError> {
    let spoken = if words.is_empty() { ask_words(&name)? } else { words.join(" ") };
    ask(place, Request::Verify { name: name.clone(), words: spoken }).await?;
    output.say(&json!({ "verified": name }), &format!("{name} is verified"))
}

fn ask_words(name: &str) -> Result<String, CommandError> {
    if !std::io::stdin().is_terminal() {
        let why = "give the eight words that the contact reads from its `rohrpost fingerprint`";
        return Err(CommandError::Usage(why.to_owned()));
    }
    let mut out = std::io::stderr();
    let _ = write!(out, "the eight words that {name} reads to you: ");
    let _ = out.flush();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map(|_| line).map_err(|source| CommandError::Input { path: "-".into(), source })
}

pub(crate) async fn block(
    place: &Place,
    name: String,
    output: &Output,
) -> Result<(), CommandError> {
    ask(place, Request::Block { name: name.clone() }).await?;
    let text = format!(
        "{name} is blocked: nothing comes from there any more. One mailbox is closed to it as soon \
         as the client is online, the other within a day and a half after that. Cards handed out \
         before end then too; make new ones"
    );
    output.say(&json!({ "blocked": name }), &text)
}

pub(crate) async fn rename(
    place: &Place,
    name: String,
    to: String,
    reuse_name: bool,
    output: &Output,
) -> Result<(), CommandError> {
    ask(place, Request::Rename { name: name.clone(), to: to.clone(), reuse_name }).await?;
    output.say(&json!({ "renamed": name, "to": to }), &format!("{name} is now {to}"))
}

pub(crate) async fn remove(
    place: &Place,
    name: String,
    output: &Output,
) -> Result<(), CommandError> {
    ask(place, Request::Remove { name: name.clone() }).await?;
    output.say(&json!({ "removed": name }), &format!("removed {name}"))
}

pub(crate) async fn list(place: &Place, output: &Output) -> Result<(), CommandError> {
    let Response::Contacts(contacts) = ask(place, Request::Contacts {}).await? else {
        return Err(CommandError::Unexpected);
    };
    for contact in contacts {
        let state = match (contact.blocked, contact.verified) {
            (true, _) => "blocked",
            (false, true) => "verified",
            (false, false) => "not verified",
        };
        let mut text = format!("{}  {state}  {}", contact.name, contact.fingerprint);
        if let Some(silence) = &contact.silence {
            text.push_str(&format!("\n  note: {silence}"));
        }
        output.say(&json!(contact), &text)?;
    }
    Ok(())
}

/// Asks for one thing that needs no network.
async fn ask(place: &Place, request: Request) -> Result<Response, CommandError> {
    Access::within(place, Reach::Offline, async |access| access.ask(request).await).await
}

/// Bytes of the longest text in which a card is looked for: a mail, with what it answers to.
const CARD_LIMIT: usize = 1 << 20;
