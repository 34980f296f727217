//! Replies of a server, and how the client handles them.

use super::*;

const MORE: u8 = 8;

fn rows(answer: Answer<Vec<ResultSet>>) -> Vec<String> {
    let cell = |cell: &Option<Vec<u8>>| match cell {
        Some(text) => String::from_utf8(text.clone()).unwrap(),
        None => "NULL".to_owned(),
    };
    let row = |row: &Vec<Option<Vec<u8>>>| row.iter().map(cell).collect::<Vec<_>>().join(",");
    let set = |set: &ResultSet| {
        let names = set.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let rows = set.rows.iter().map(row).collect::<Vec<_>>();
        format!("{} {}: {}", set.affected_rows, names.join(","), rows.join("; "))
    };
    answer.unwrap().iter().map(set).collect()
}

#[test]
fn several_statements_are_answered_in_order() {
    let table = |end: fn(u8) -> Vec<u8>, last: Vec<u8>| {
        let middle = if end(0).len() == 5 { vec![eof(0)] } else { Vec::new() };
        let head = [vec![2], column("a"), column("b")];
        let rows = [text("1"), vec![0xFB]].concat();
        let rows = [rows, [text(""), text("é")].concat()];
        [&[ok(3, MORE)][..], &head, &middle, &rows, &[end(MORE)], &[last]].concat()
    };
    for (abilities, end) in [(ABILITIES, ok_of_rows as fn(u8) -> Vec<u8>), (WITH_EOF, eof)] {
        let (all, client) = answer(abilities, &table(end, ok(1, 2)));
        assert_eq!(rows(all), ["3 : ", "0 a,b: 1,NULL; ,é", "1 : "]);
        assert!(client.is_usable());

        let (failed, client) = answer(abilities, &table(end, error(1213, "#40001", "Deadlock")));
        let expected = ClientError::Server {
            code: 1213,
            state: "40001".to_owned(),
            message: "Deadlock".to_owned(),
            statement: 2,
        };
        assert_eq!(failed, Err(expected));
        assert!(client.is_usable());
    }
    let (none, _) = answer(ABILITIES, &[vec![1], column("a"), ok_of_rows(2)]);
    assert_eq!(rows(none), ["0 a: "]);
}

#[test]
fn an_error_among_rows() {
    let messages = [vec![1], column("a"), text("1"), error(1317, "#70100", "interrupted")];
    let (failed, client) = answer(ABILITIES, &messages);
    assert!(matches!(failed, Err(ClientError::Server { code: 1317, statement: 0, .. })));
    assert!(client.is_usable());
}

/// Replies that violate the protocol or end the session: the connection is not used afterwards.
#[test]
fn an_answer_that_is_no_answer_ends_the_session() {
    let long_row = [&[0xFE, 255, 255, 255, 0, 0, 0, 0, 0][..], b"short"].concat();
    let answers: [&[Vec<u8>]; 17] = [
        &[],
        &[vec![]],
        &[vec![0]],
        // A request for a file.
        &[[&[0xFB][..], b"/etc/passwd"].concat()],
        &[vec![1, 1]],
        &[vec![0xFE]],
        &[vec![2], column("a"), ok_of_rows(2)],
        &[vec![1], vec![1, b'a']],
        &[vec![1], column("a"), vec![]],
        &[vec![1], column("a"), vec![5, b'a']],
        &[vec![1], column("a"), [text("1"), text("2")].concat()],
        &[vec![1], column("a"), text("1")],
        &[vec![1], column("a"), long_row],
        &[ok(0, MORE)],
        &[vec![0xFF, 1]],
        &[error(1053, "#08S01", "Server shutdown in progress")],
        &[error(1927, "#70100", "Connection was killed")],
    ];
    for messages in answers {
        let (answer, mut client) = answer(ABILITIES, messages);
        assert!(answer.is_err(), "{messages:?}");
        assert!(!client.is_usable(), "{messages:?}");
        let again = wait(client.query("SELECT 1".to_owned()));
        assert!(matches!(again, Err(ClientError::Lost(_))), "{messages:?}");
    }
}

#[test]
fn the_order_of_packets() {
    let rows = [
        // the sequence number, the packet; whether it is accepted
        (1, ok(0, 2), true),
        (0, ok(0, 2), false),
        (2, ok(0, 2), false),
    ];
    for (number, message, is_answer) in rows {
        let (answer, client) = wait(async {
            let (mut client, mut server) = connected(ABILITIES).await;
            server.send(number, &[message]).await;
            (client.query("SELECT 1".to_owned()).await, client)
        });
        assert_eq!((answer.is_ok(), client.is_usable()), (is_answer, is_answer), "{number}");
    }
}

/// A server that ends an idle session may send an error, which is the reply to the next command.
#[test]
fn an_idle_session_that_the_server_ends() {
    for last_words in [Some(error(4031, "#HY000", "idle")), Some(error(1000, "#HY000", "?")), None]
    {
        wait(async {
            let (mut client, mut server) = connected(ABILITIES).await;
            assert!(client.is_open());
            if let Some(words) = &last_words {
                server.send(0, std::slice::from_ref(words)).await;
            }
            let answer = client.query("SELECT 1".to_owned());
            let (answer, ()) = join(answer, async { drop(server) }).await;
            assert_eq!(
                matches!(answer, Err(ClientError::Server { .. })),
                last_words.is_some(),
                "{answer:?}"
            );
            assert!(!client.is_usable());
        });
        wait(async {
            let (mut client, mut server) = connected(ABILITIES).await;
            if let Some(words) = &last_words {
                server.send(0, std::slice::from_ref(words)).await;
            }
            drop(server);
            assert!(!client.is_open());
            assert!(!client.is_usable());
        });
    }
}

#[test]
fn a_reply_that_is_not_awaited() {
    wait(async {
        let (mut client, mut server) = connected(ABILITIES).await;
        let query = client.query("SELECT SLEEP(1)".to_owned());
        let late = tokio::time::timeout(Duration::from_millis(10), query).await;
        assert!(late.is_err());
        assert!(!client.is_usable());
        server.send(1, &[ok(0, 2)]).await;
        let next = client.query("SELECT 1".to_owned()).await;
        assert!(matches!(next, Err(ClientError::Lost(_))), "{next:?}");
    });
}

#[test]
fn a_command_is_what_it_says() {
    wait(async {
        let (mut client, mut server) = connected(ABILITIES).await;
        client.limit_packet(9);
        let long = client.query("SELECT 10".to_owned()).await;
        assert_eq!(long, Err(ClientError::TooLarge { length: 10, most: 9 }));
        let (answer, ()) = join(client.query("SELECT 1".to_owned()), async {
            assert_eq!(server.receive().await, (0, b"\x03SELECT 1".to_vec()));
            server.send(1, &[ok(0, 2)]).await;
        })
        .await;
        assert!(answer.is_ok());
        client.close().await;
        assert_eq!(server.receive().await, (0, vec![1]));
        assert_eq!(server.0.read(&mut [0]).await.unwrap(), 0);
    });
}

/// A message that does not fit in one packet continues in the next one, which may be empty.
#[test]
fn long_messages_are_sent_in_several_packets() {
    const MOST: usize = 0xFF_FFFF;
    for length in [MOST - 1, MOST, MOST + 1] {
        wait(async {
            let (mut client, mut server) = connected(ABILITIES).await;
            let query = client.query("x".repeat(length - 1));
            let (answer, ()) = join(query, async {
                let (mut message, mut packets) = (Vec::new(), 0);
                loop {
                    let (number, packet) = server.receive().await;
                    assert_eq!(usize::from(number), packets);
                    packets += 1;
                    message.extend_from_slice(&packet);
                    if packet.len() < MOST {
                        break;
                    }
                }
                assert_eq!((message.len(), packets), (length, length / MOST + 1));
                // A row of this length, with the length of its only value in front.
                let [low, middle, high, ..] = (length - 4).to_le_bytes();
                let row = [&[0xFD, low, middle, high][..], &vec![b'y'; length - 4]].concat();
                let (head, tail) = row.split_at(length.min(MOST));
                let mut rows = vec![head.to_vec()];
                if length >= MOST {
                    rows.push(tail.to_vec());
                }
                let all = [&[vec![1], column("a")][..], &rows, &[ok_of_rows(2)]].concat();
                server.send(u8::try_from(packets).unwrap(), &all).await;
            })
            .await;
            let answer = answer.unwrap();
            assert_eq!(answer[0].rows[0][0], Some(vec![b'y'; length - 4]));
        });
    }
}

#[test]
fn an_endless_reply_is_not_read_to_its_end() {
    wait(async {
        let (mut client, mut server) = connected(ABILITIES).await;
        let endless = async {
            let row = [&[0xFD, 0xFB, 0xFF, 0xFF][..], &vec![b'y'; 0xFF_FFFB]].concat();
            let first = packets(1, &[vec![1], column("a")]);
            if server.0.write_all(&first).await.is_err() {
                return;
            }
            // The client stops reading before all of them are sent.
            for number in 0..200_u8 {
                let parts = [row.clone(), vec![]];
                let parts = packets(number.wrapping_mul(2).wrapping_add(3), &parts);
                if server.0.write_all(&parts).await.is_err() {
                    return;
                }
            }
            panic!("the client reads without end");
        };
        let asking = async move {
            let answer = client.query("SELECT 1".to_owned()).await;
            assert!(matches!(answer, Err(ClientError::TooLong)), "{answer:?}");
            assert!(!client.is_usable());
        };
        join(asking, endless).await;
    });
}
