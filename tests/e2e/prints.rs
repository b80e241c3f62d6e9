//! What scripts print is in the log, bounded and in lines of its own.

use serde_json::json;

use crate::common::player::Player;
use crate::common::server::{Folder, Server};

const SAY: &str = r#"-- ROLE: guest
print("it says", godra.payload, 1, nil, true)
if godra.payload == "fail" then error("it fails") end
if godra.payload == "log" then
  redis.log(redis.LOG_WARNING, ("l"):rep(5000) .. "\n[2030-01-01] ERROR it burns", ("m"):rep(5000))
  for n = 1, 100 do redis.log(redis.LOG_NOTICE, "logged", "a\nb", n) end
end
if type(godra.payload) == "number" then
  for n = 1, godra.payload do godra.log("line", n) end
end
"#;

fn play(flags: &[&str], test: impl Fn(&Server, &mut Player, &str)) {
    let folder = Folder::new();
    folder.write_script("say", SAY);
    let server = Server::start_in(folder, flags);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    test(&server, &mut guest.join(&room), room.trim_start_matches("game:"));
}

#[test]
fn a_line_tells_script_line_and_room() {
    play(&[], |server, player, room| {
        player.call("say", json!({ "a": [1] }), 1);
        let line = server.output().wait_for_line(&["script prints", "say.lua:2 "]);
        assert!(line.contains(&format!("room={room} ")), "{line}");
        assert!(line.contains(r#"text="it says {\"a\":[1]} 1 nil true""#), "{line}");
        assert_eq!(player.call("say", json!("fail"), 2)["type"], "error");
        server.output().wait_for_line(&["script prints", "it says fail 1 nil true"]);
    });
}

#[test]
fn nobody_forges_lines_or_floods_the_log() {
    play(&[], |server, player, _| {
        player.call("say", json!("x\n[2030-01-01] ERROR the server burns\u{1b}[31m\r"), 1);
        let line = server.output().wait_for_line(&["script prints", "it says x"]);
        assert!(line.contains(r"x\n[2030-01-01] ERROR the server burns\u{1b}[31m\r"), "{line}");
        player.call("say", json!("y".repeat(5000)), 2);
        let line = server.output().wait_for_line(&["script prints", "yyyyy"]);
        assert!(line.matches('y').count() < 1024 + 50, "{}", line.len());
        player.call("say", json!(100), 3);
        server.output().wait_for_line(&["script prints", "what else this call prints is left out"]);
        for id in 4..24 {
            player.call("say", json!(100), id);
        }
        let printed = server.output().text().matches("text=\"line ").count();
        assert!((19..=19 * 21).contains(&printed), "{printed}");
        assert!(!server.output().text().contains("text=\"line 20\""), "a call has twenty lines");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        player.call("say", json!("z"), 30);
        server.output().wait_for_line(&["scripts print too much", "left_out="]);
    });
}

/// In the embedded store, whose log is the server's: Redis writes into its own, in lines of 1,024 bytes.
#[test]
fn what_the_stores_log_is_given_is_bounded_alike() {
    play(&["--store-memory", "64mb"], |server, player, room| {
        player.call("say", json!("log"), 1);
        let line = server.output().wait_for_line(&["WARN", "script prints", "say.lua:5 ", "llll"]);
        assert!(line.contains(&format!("room={room} ")), "{line}");
        assert!(line.len() < 1024 + 200 && !line.contains("mmm"), "{}", line.len());
        server.output().wait_for_line(&["INFO", "script prints", r#"text="logged a\nb 1""#]);
        server.output().wait_for_line(&["script prints", "what else this call prints is left out"]);
        let text = server.output().text();
        assert!(!text.contains("it burns"), "no line is forged");
        assert_eq!(text.matches("text=\"logged").count(), 18, "a call has twenty lines, print's among them");
    });
}
