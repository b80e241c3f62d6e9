#nullable enable
using System.Text;

namespace GodotSDK
{
    /// <summary>What a room's script is told at each connection.</summary>
    internal static class JoinOptions
    {
        private const int MaxBytes = 1024;

        /// <summary>JSON text of an object; empty for nothing. Fails with <c>bad_request</c> if it is no object, or too long.</summary>
        public static string TextOf(Payload? options)
        {
            if (options == null) return "";
            var text = options.Value.Text;
            if (text.StartsWith("{", System.StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(text) <= MaxBytes) return text;
            throw new GodraException("bad_request", $"The options of a join are an object of at most {MaxBytes} bytes of JSON");
        }
    }
}
