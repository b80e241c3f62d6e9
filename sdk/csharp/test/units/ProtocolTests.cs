using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>The SDK against the protocol's tables and fixtures.</summary>
public static class ProtocolTests
{
    private static string Root => Path.Combine(Environment.GetEnvironmentVariable("GODRA_REPOSITORY") ?? Directory.GetCurrentDirectory(), "sdk");

    private static JObject Protocol => Read("protocol.json");

    private static JObject Read(string file) => Json.TryParse(File.ReadAllText(Path.Combine(Root, file)), out var content, out var why)
        ? (JObject)content!
        : throw new CheckFailed($"{file} {why}");

    private static JObject Fixture(string name) => Read($"protocol/fixtures/{name}.json");

    public static void TestKindsOfTheClientsCodes()
    {
        foreach (var row in Protocol["client_error_codes"]!)
        {
            var code = (string)row["code"]!;
            Check.Equal((string)row["kind"]!, new GodraException(code, "").Kind.ToString().ToLowerInvariant(), code);
        }
    }

    public static void TestKindsAndOutcomesOfTheServersCodes()
    {
        foreach (var row in Protocol["error_codes"]!)
        {
            var code = (string)row["code"]!;
            var error = Errors.OfPayload(new JObject { ["code"] = code, ["message"] = "m" });
            Check.Equal((string)row["kind"]!, error.Kind.ToString().ToLowerInvariant(), code);
            Check.Equal((string)row["outcome"]!, error.Outcome!.Value.ToString().ToLowerInvariant(), code);
        }
    }

    public static void TestCloseCodes()
    {
        foreach (var row in Fixture("close-codes")["codes"]!)
        {
            var (code, what) = ((int)row["code"]!, (string)row["class"]!);
            Check.Equal(what != "stay_away", CloseCodes.ComesBack(code), $"{code}:");
            Check.Equal(what == "gently", CloseCodes.IsGentle(code), $"{code} gently:");
        }
    }

    public static void TestDelays()
    {
        foreach (var row in Fixture("delays")["cases"]!)
        {
            var about = new BackoffInput { Attempt = (int)row["k"]! + 1, GoneMs = (double)row["gone_ms"]! };
            var (first, max) = (new ReconnectOptions().FirstDelay.TotalMilliseconds, new ReconnectOptions().MaxDelay.TotalMilliseconds);
            Check.Equal((double)row["least_ms"]!, Backoff.DelayMs(about, first, max, () => 0), $"{row}");
            Check.Equal((double)row["most_ms"]!, Backoff.DelayMs(about, first, max, () => 1), $"{row}");
        }
    }

    public static void TestDefaults()
    {
        var (options, reconnect) = (new GodotClientOptions(), new ReconnectOptions());
        var actual = new Dictionary<string, double>
        {
            ["connect_timeout_ms"] = options.ConnectTimeout.TotalMilliseconds,
            ["request_timeout_ms"] = options.RequestTimeout.TotalMilliseconds,
            ["heartbeat_ms"] = options.Heartbeat.TotalMilliseconds,
            ["first_delay_ms"] = reconnect.FirstDelay.TotalMilliseconds,
            ["stable_ms"] = reconnect.StableAfter.TotalMilliseconds,
            ["once_waiting"] = Outbox.MaxWaiting,
            ["once_under_way"] = Outbox.MaxUnderWay,
            ["max_incoming_bytes"] = options.MaxMessageBytes,
        };
        foreach (var (name, value) in actual) Check.Equal((double)Protocol["client_defaults"]![name]!, value, name);
    }

    public static async Task TestAllRightMessagesAreTaken()
    {
        foreach (var name in new[] { "event", "batch", "snapshot", "reply", "error" })
        {
            foreach (var message in Fixture(name)["valid"]!)
            {
                var stage = await new Stage().JoinedAsync();
                stage.Link.Receive(message.ToString());
                Check.That(!stage.Poll().Contains("error bad_message"), $"{message}");
            }
        }
        foreach (var welcome in Fixture("welcome")["valid"]!)
        {
            var stage = new Stage();
            var joining = stage.Join();
            stage.Link.Receive(welcome.ToString());
            await joining;
        }
    }

    public static async Task TestNoWrongMessageEndsAnything()
    {
        foreach (var name in new[] { "event", "batch", "snapshot", "reply", "error", "welcome", "refusal", "heartbeat-result" })
        {
            foreach (var wrong in Fixture(name)["invalid"]!)
            {
                var stage = await new Stage().JoinedAsync();
                stage.Link.Receive(wrong["value"]!.ToString());
                stage.Link.Receive("""{"type":"fine","seq":9007199254740992}""");
                Check.Equal("fine null", stage.Poll()[^1], $"{name} {wrong["because"]}:");
            }
        }
    }

    public static async Task TestTextsThatClientsMeet()
    {
        foreach (var row in Fixture("incoming")["texts"]!)
        {
            var stage = await new Stage().JoinedAsync();
            var events = new List<RoomEvent>();
            stage.Room.Event += events.Add;
            stage.Link.Receive((string)row["text"]!);
            var isBad = stage.Poll().Contains("error bad_message");
            var isRight = (string)row["is"]! switch
            {
                "event" => events.Count == 1 && !isBad,
                "bad_message" => isBad && events.Count == 0,
                "nothing" => events.Count == 0 && !isBad,
                "either" => isBad != (events.Count == 1),
                var other => throw new CheckFailed($"unknown: {other}"),
            };
            Check.That(isRight, $"{row["name"]} is {row["is"]}");
            var payload = row["payload"];
            if (payload != null && events.Count == 1) Check.That(JToken.DeepEquals(payload, events[0].Payload), $"{row["name"]}: {events[0].Payload}");
        }
    }
}
