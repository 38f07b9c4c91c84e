//! The relay through which the client enters.

use rohrpost_client::api::{EntryPlaces, Request, Response};
use serde_json::json;

use crate::access::{Access, Reach};
use crate::error::CommandError;
use crate::output::Output;
use crate::place::Place;

/// Shows through which relay the client enters, or has it enter through another.
pub(crate) async fn run(
    place: &Place,
    relay: Option<String>,
    output: &Output,
) -> Result<(), CommandError> {
    let asked = async |access: &mut Access| access.ask(Request::Entry { relay }).await;
    let Response::Entry(places) = Access::within(place, Reach::Offline, asked).await? else {
        return Err(CommandError::Unexpected);
    };
    output.say(&json!({ "entry": places }), &describe(&places))
}

fn describe(places: &EntryPlaces) -> String {
    let EntryPlaces { entry, present, spares, .. } = places;
    let mut text = format!("enters through {entry}");
    if present != entry {
        text.push_str(&format!(", which is silent; {present} is tried now"));
    }
    if !spares.is_empty() {
        text.push_str(&format!("; when it is gone, through {}", spares.join(" or ")));
    }
    text
}
