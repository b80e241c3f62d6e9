#nullable enable
using System;
using System.Globalization;
using System.IO;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>The only place where JSON text is read and written. No reflection: values are LINQ-to-JSON tokens.</summary>
    internal static class Json
    {
        /// <summary>So many levels of arrays and objects can be written: more than any server takes, and an end for what holds itself.</summary>
        private const int MaxWrittenDepth = 64;

        /// <summary>Whole numbers above this may have been rounded by somebody on their way.</summary>
        public const long MaxWhole = 1L << 53;

        public static bool TryParse(string text, out JToken? token, out string why)
        {
            try
            {
                token = JsonParser.Parse(text);
                why = "";
                return true;
            }
            catch (FormatException e)
            {
                token = null;
                why = $"is not JSON ({e.Message})";
                return false;
            }
        }

        public static string Write(Action<JsonWriter> write)
        {
            var text = new StringWriter(CultureInfo.InvariantCulture);
            using (var writer = new StrictWriter(text)) write(writer);
            return text.ToString();
        }

        public static string Quote(string text) => JsonConvert.ToString(text);

        /// <summary>The text in it; null if it is anything else.</summary>
        public static string? Text(JToken? token) => token?.Type == JTokenType.String ? (string?)token : null;

        public static bool IsAbsent(JToken? token) => token == null || token.Type == JTokenType.Null;

        /// <summary>A whole number from 0 to 2^53, however JSON writes it; null for everything else.</summary>
        public static long? Whole(JToken? token)
        {
            var value = (token as JValue)?.Value;
            if (value is long whole && whole >= 0 && whole <= MaxWhole) return whole;
            if (value is double real && real >= 0 && real <= MaxWhole && Math.Floor(real) == real) return (long)real;
            return null;
        }

        /// <summary>Whether it is a whole number from 0 on, also one of 64 bits, or not there.</summary>
        public static bool IsWholeOrAbsent(JToken? token)
        {
            var value = (token as JValue)?.Value;
            var isLarge = value is ulong || (value is long whole && whole > MaxWhole) || (value is double real && real > MaxWhole && real <= ulong.MaxValue);
            return IsAbsent(token) || isLarge || Whole(token) != null;
        }

        /// <summary>Refuses what JSON does not have, or has no end, where the caller still can see it.</summary>
        private sealed class StrictWriter : JsonTextWriter
        {
            private int depth;

            public StrictWriter(TextWriter text)
                : base(text)
            {
                Culture = CultureInfo.InvariantCulture;
                CloseOutput = false;
            }

            public override void WriteStartObject()
            {
                Enter();
                base.WriteStartObject();
            }

            public override void WriteStartArray()
            {
                Enter();
                base.WriteStartArray();
            }

            public override void WriteValue(double value)
            {
                Check(!double.IsNaN(value) && !double.IsInfinity(value));
                base.WriteValue(value);
            }

            public override void WriteValue(float value)
            {
                Check(!float.IsNaN(value) && !float.IsInfinity(value));
                base.WriteValue(value);
            }

            protected override void WriteEnd(JsonToken token)
            {
                depth -= 1;
                base.WriteEnd(token);
            }

            private void Enter()
            {
                depth += 1;
                if (depth > MaxWrittenDepth) throw Errors.Usage($"A payload has more than {MaxWrittenDepth} levels: does it hold itself?");
            }

            private static void Check(bool isFinite)
            {
                if (!isFinite) throw Errors.Usage("NaN and infinity have no place in JSON: check the payload's numbers");
            }
        }
    }
}
