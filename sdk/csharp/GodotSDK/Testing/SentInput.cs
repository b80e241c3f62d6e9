#nullable enable
using Newtonsoft.Json.Linq;

namespace GodotSDK.Testing
{
    /// <summary>What a game sent into a <see cref="FakeRoom"/>.</summary>
    public sealed class SentInput
    {
        internal SentInput(JObject fields)
        {
            Action = Json.Text(fields["action"]) ?? "";
            Payload = fields["payload"] ?? JValue.CreateNull();
            Id = Json.Whole(fields["id"]);
            N = Json.Whole(fields["n"]);
        }

        /// <summary>The script to run.</summary>
        public string Action { get; }

        /// <summary>What it gets.</summary>
        public JToken Payload { get; }

        /// <summary>Whether it waits for an answer: <see cref="FakeRoom.Reply"/> or <see cref="FakeRoom.Fail"/>.</summary>
        public bool WantsAnswer => Id != null;

        /// <summary>Its number, if it is to run exactly once.</summary>
        public long? N { get; }

        internal long? Id { get; }

        internal bool IsTaken { get; set; }
    }
}
