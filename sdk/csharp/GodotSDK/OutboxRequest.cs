#nullable enable
using System;
using System.Globalization;
using System.Text;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>One request of the <see cref="Outbox"/>.</summary>
    internal sealed class OutboxRequest
    {
        private readonly Answered answered;
        private bool isAnswered;

        public OutboxRequest(long id, string action, string text, Answered answered)
        {
            Id = id;
            Action = action;
            Text = text;
            this.answered = answered;
        }

        public long Id { get; }

        public string Action { get; }

        public string Text { get; }

        /// <summary>Its number, once it has been sent.</summary>
        public long? N { get; set; }

        /// <summary>Of the store that may have run it.</summary>
        public string? Epoch { get; set; }

        public bool IsUnderWay { get; set; }

        public IDisposable? Timer { get; set; }

        public Outcome OutcomeNow => N == null ? Outcome.None : Outcome.Unknown;

        public void Answer(JToken? result, GodraException? error)
        {
            if (isAnswered) return;
            isAnswered = true;
            answered(result, error);
        }
    }

    /// <summary>The text of inputs.</summary>
    internal static class Inputs
    {
        /// <summary>What the server takes.</summary>
        private const int MaxBytes = 64 << 10;

        /// <summary>For an `id` and an `n`, which come to it.</summary>
        private const int NumbersBytes = 64;

        public static bool IsTooLarge(string text) =>
            text.Length * 3 + NumbersBytes > MaxBytes && Encoding.UTF8.GetByteCount(text) + NumbersBytes > MaxBytes;

        public static GodraException TooLarge(string action) =>
            Errors.Input("too_large", $"{action} is longer than {MaxBytes} bytes with its payload: it was not sent", Outcome.None);

        /// <summary>The text of an input that nobody answers; fails if it is too large.</summary>
        public static string Checked(string action, Payload payload)
        {
            var text = Text(action, payload);
            return IsTooLarge(text) ? throw TooLarge(action) : text;
        }

        public static string Text(string action, Payload payload) =>
            $"{{\"action\":{Json.Quote(action)},\"payload\":{payload.Text}}}";

        public static string Text(string action, Payload payload, long id) =>
            Insert(Text(action, payload), "id", id);

        public static string Numbered(string text, long n) => Insert(text, "n", n);

        private static string Insert(string text, string name, long value) =>
            $"{text.Substring(0, text.Length - 1)},\"{name}\":{value.ToString(CultureInfo.InvariantCulture)}}}";
    }
}
