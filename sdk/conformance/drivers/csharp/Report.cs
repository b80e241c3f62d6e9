using System;
using System.Linq;
using GodotSDK;
using Newtonsoft.Json.Linq;

/// <summary>What the SDK gives, in the judge's words.</summary>
internal static class Report
{
    public static JObject Of(Session session) => Of(session.UserId, session.Username, session.Role);

    public static JObject Of(Account account) => Of(account.UserId, account.Username, account.Role);

    public static JObject Of(LobbyPage page) => Fields(
        ("lobbies", new JArray(page.Lobbies.Select(lobby => lobby.Raw))), ("cursor", page.Cursor));

    public static JObject Of(RoomStats stats) => Fields(
        ("bytes_received", stats.BytesReceived), ("bytes_sent", stats.BytesSent),
        ("frames_received", stats.FramesReceived), ("frames_sent", stats.FramesSent),
        ("events", stats.Events), ("reconnects", stats.Reconnects), ("dropped", stats.Dropped),
        ("bad_messages", stats.BadMessages), ("resyncs", stats.Resyncs));

    public static JObject Of(Exception error) => error switch
    {
        GodraException e => Fields(
            ("code", e.Code),
            ("kind", Word(e.Kind)),
            ("message", e.Message),
            ("status", e.Status),
            ("details", e.Details),
            ("retry_after", e.RetryAfter?.TotalSeconds),
            ("close_code", e.CloseCode),
            ("outcome", e.Outcome is Outcome outcome ? Word(outcome) : null),
            ("retryable", e.IsRetryable)),
        // What .NET has for a call that was taken back.
        OperationCanceledException => Fields(("code", "cancelled"), ("message", error.Message)),
        // Whatever is not the SDK's own error is a fault: an SDK fails with its own type alone.
        _ => Fields(("code", $"not a GodraException: {error.GetType().Name}"), ("message", error.ToString())),
    };

    public static JObject Event(string name, Room room, params (string Name, JToken? Value)[] more) =>
        Fields([("event", name), ("room", room.Id), .. more]);

    /// <summary>Without those that are not known.</summary>
    public static JObject Fields(params (string Name, JToken? Value)[] fields) =>
        new(fields.Where(field => field.Value != null).Select(field => new JProperty(field.Name, field.Value)));

    public static string Word(Enum value) => value.ToString().ToLowerInvariant();

    private static JObject Of(string userId, string username, string role) =>
        Fields(("user_id", userId), ("username", username), ("role", role));
}
