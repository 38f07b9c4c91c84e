//! Requests: people who have this client's card and are unknown to it.

use rohrpost_client::api::{Request, RequestEntry, Response};
use serde_json::json;

use crate::access::{Access, Reach};
use crate::error::CommandError;
use crate::output::Output;
use crate::place::Place;

/// Lists who has written.
pub(crate) async fn list(place: &Place, output: &Output) -> Result<(), CommandError> {
    let asked = async |access: &mut Access| access.ask(Request::Requests {}).await;
    let Response::Requests(requests) = Access::within(place, Reach::Offline, asked).await? else {
        return Err(CommandError::Unexpected);
    };
    for request in requests {
        output.say(&json!(request), &describe(&request, output))?;
    }
    Ok(())
}

fn describe(request: &RequestEntry, output: &Output) -> String {
    let RequestEntry { contact, fingerprint, first, last, messages, ready, .. } = request;
    let (id, first, last) = (&contact[..8], output.when(*first), output.when(*last));
    let what = match messages {
        0 => "has your card".to_owned(),
        1 => "wrote 1 message".to_owned(),
        more => format!("wrote {more} messages"),
    };
    let next = if *ready {
        format!("`rohrpost accept {id} NAME`, or `rohrpost refuse {id}`")
    } else {
        format!(
            "what is needed to answer is on its way; then `rohrpost accept {id} NAME`, or `rohrpost \
             refuse {id}`"
        )
    };
    format!(
        "{id}  somebody unknown to you {what}, first {first}, last {last}\n  words: {fingerprint}\n  \
         {next}"
    )
}

/// Makes a contact of somebody who has written.
pub(crate) async fn accept(
    place: &Place,
    request: String,
    name: String,
    reuse_name: bool,
    output: &Output,
) -> Result<(), CommandError> {
    let asked = async |access: &mut Access| {
        access.ask(Request::Accept { request, name: name.clone(), reuse_name }).await?;
        access.ask(Request::Fingerprint { contact: Some(name.clone()) }).await
    };
    let Response::Fingerprint(words) = Access::within(place, Reach::Offline, asked).await? else {
        return Err(CommandError::Unexpected);
    };
    let text = format!(
        "{name} is a contact, and learns so once you are online; what was written comes then, within a \
         quarter of an hour. Anybody may have written: let {name} read you these words by voice, then \
         run `rohrpost verify {name}`:\n  {words}"
    );
    output.say(&json!({ "added": name, "fingerprint": words }), &text)
}

/// Refuses somebody who has written.
pub(crate) async fn refuse(
    place: &Place,
    request: String,
    output: &Output,
) -> Result<(), CommandError> {
    let asked =
        async |access: &mut Access| access.ask(Request::Refuse { request: request.clone() }).await;
    Access::within(place, Reach::Offline, asked).await?;
    let text = format!("refused {request}: nothing that it writes is looked at any more");
    output.say(&json!({ "refused": request }), &text)
}
