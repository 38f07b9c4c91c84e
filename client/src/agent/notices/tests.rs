use super::*;
use crate::api::{OutgoingMessage, SubscribeRequest};
use crate::store::DeliveryStatus;

fn link(online: bool) -> Notice {
    Notice::Link { online, trouble: None }
}

fn outgoing(message: &str, left: u32) -> Notice {
    Notice::Outgoing(OutgoingMessage {
        message: message.to_owned(),
        to: "bob".to_owned(),
        contact: "00".repeat(32),
        file: None,
        bytes: 1,
        accepted: 0,
        expires: 0,
        status: DeliveryStatus::Queued,
        since: 0,
        left,
        fragments: 9,
        estimate: 0,
        number: 0,
        program: false,
    })
}

fn from(log: &NoticeLog, number: u64) -> SubscribeRequest {
    SubscribeRequest { run: Some(log.run().to_owned()), from: Some(number) }
}

/// Checks that a reader that was away reads what it has not, in order and once, and then what comes.
#[tokio::test]
async fn a_reader_goes_on_where_it_was() {
    let log = NoticeLog::new();
    let mut first = log.read(&SubscribeRequest::default());
    (0..3).for_each(|_| log.tell(link(true)));
    let (next, _) = first.next().await.unwrap();
    drop(first);
    log.tell(link(false));
    let mut again = log.read(&from(&log, next));
    for expected in 2..5 {
        assert_eq!(again.next().await.unwrap().0, expected);
    }
    let mut new = log.read(&SubscribeRequest::default());
    log.tell(link(true));
    assert_eq!((again.next().await.unwrap().0, new.next().await.unwrap().0), (5, 5));
}

/// Checks that a reader hears that notices are gone, or are of another run of the client, and goes
/// on after them.
#[tokio::test]
async fn a_reader_hears_what_it_has_missed() {
    let log = NoticeLog::new();
    let kept = u64::try_from(KEPT).unwrap();
    (0..kept + 10).for_each(|_| log.tell(link(true)));
    let mut late = log.read(&from(&log, 4));
    let (next, missed) = late.next().await.unwrap();
    assert!(next == 10 && matches!(missed, Notice::Missed(Some(6))));
    assert_eq!(late.next().await.unwrap().0, 11);
    for of_another_run in [
        SubscribeRequest { run: Some("0".repeat(16)), from: Some(11) },
        SubscribeRequest { run: None, from: Some(11) },
        from(&log, kept + 11),
    ] {
        let mut reader = log.read(&of_another_run);
        assert!(matches!(reader.next().await.unwrap(), (10, Notice::Missed(None))));
        assert!(matches!(reader.next().await.unwrap(), (11, Notice::Link { .. })));
    }
}

/// Checks that a long file on its way does not push out of the history what happened before.
#[tokio::test]
async fn of_a_message_on_its_way_the_newest_state_is_kept() {
    let log = NoticeLog::new();
    log.tell(link(true));
    for left in 0..5_000 {
        log.tell(outgoing("aa", left));
    }
    log.tell(outgoing("bb", 1));
    let mut reader = log.read(&from(&log, 0));
    assert!(matches!(reader.next().await.unwrap(), (1, Notice::Link { .. })));
    let (next, notice) = reader.next().await.unwrap();
    assert!(next == 5_001 && matches!(notice, Notice::Outgoing(one) if one.left == 4_999));
    let (_, last) = reader.next().await.unwrap();
    assert!(matches!(last, Notice::Outgoing(one) if one.message == "bb"));
}
