//! Properties of decoding: any bytes from a server result in a reply or an error.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{join, sink};

use super::*;
use crate::domain::properties::generators::{cases, edited, edits};

/// The server's packets in a session with two queries of two statements each.
fn conversation(abilities: u32) -> Vec<u8> {
    let rows = [text("1"), vec![0xFB]].concat();
    let head = [vec![2], column("a"), column("b")];
    let (middle, end) = match abilities == WITH_EOF {
        true => (vec![eof(0)], eof(8)),
        false => (Vec::new(), ok_of_rows(8)),
    };
    let answer = |last| [&head[..], &middle, &[rows.clone(), end.clone(), last]].concat();
    let login = [packets(0, &[greeting(abilities, "mysql_native_password")])];
    let switch = [&[0xFE][..], b"caching_sha2_password\0", NONCE, &[0]].concat();
    let answers = [
        packets(2, &[switch]),
        packets(4, &[vec![1, 3], ok(0, 2)]),
        packets(1, &answer(ok(1, 2))),
        packets(1, &answer(error(1062, "#23000", "Duplicate entry"))),
    ];
    [login.concat(), answers.concat()].concat()
}

/// How many queries succeed if a server sends these bytes and closes the connection.
fn answered(said: Vec<u8>) -> usize {
    wait(async {
        let stream = Box::new(join(Cursor::new(said), sink()));
        let Ok(mut client) = Client::begin(stream, &settings("secret")).await else { return 0 };
        let mut answered = 0;
        while client.query("SELECT 1; SELECT 2".to_owned()).await.is_ok() {
            answered += 1;
        }
        // An error does not end the session, but the end of the bytes does.
        while client.is_usable() {
            let _ = client.query("SELECT 1".to_owned()).await;
        }
        answered
    })
}

#[test]
fn a_whole_conversation_and_its_beginnings() {
    for abilities in [ABILITIES, WITH_EOF] {
        let whole = conversation(abilities);
        assert_eq!(answered(whole.clone()), 1);
        let (one, none) = (0..whole.len())
            .partition::<Vec<_>, _>(|length| answered(whole[..*length].to_vec()) == 1);
        // Truncated bytes are noticed at once.
        assert!(none.iter().all(|length| one.iter().all(|longer| longer > length)));
    }
}

proptest! {
    #![proptest_config(cases(4096))]

    #[test]
    fn a_changed_conversation_is_answered(
        abilities in select(vec![ABILITIES, WITH_EOF]),
        edits in edits(3),
    ) {
        answered(edited(conversation(abilities), &edits));
    }

    #[test]
    fn any_bytes_are_answered(said in vec(any::<u8>(), 0..200)) {
        answered(said.clone());
        let in_packets: Vec<Vec<u8>> = said.chunks(17).map(<[u8]>::to_vec).collect();
        answered(packets(0, &in_packets));
        answered([conversation(ABILITIES), packets(1, &in_packets)].concat());
    }
}
